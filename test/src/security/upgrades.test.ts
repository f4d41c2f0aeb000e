import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { rawExchange } from '../support/raw-exchange.js';
import { ProxyUnderAttack, routeTo, statusesOf } from './proxy-under-attack.js';
import { RawHttp2Client, requestFields } from './raw-http2-client.js';

const UPGRADE = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const CONNECT = 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
const GET = 'GET /next HTTP/1.1\r\nHost: a\r\n\r\n';
const ok = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Upgrades and CONNECT are allowed. */
const TUNNELS = {
  manager: {
    upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'CONNECT' }],
    http2_protocol_options: { allow_connect: true },
  },
  routes: [
    {
      match: { connect_matcher: {} },
      route: { cluster: 'h1', upgrade_configs: [{ upgrade_type: 'CONNECT' }] },
    },
    routeTo('h1'),
  ],
};

describe('requests that want a tunnel', () => {
  let proxy: ProxyUnderAttack;
  before(async () => (proxy = await ProxyUnderAttack.start({ listeners: { plain: {}, tunnels: TUNNELS } })));
  after(() => proxy.close());

  it('1.6 an upgrade that is answered 200: neither its connection nor that to the upstream is used again (CVE-2024-23326)', async () => {
    proxy.h1.replyWith({ bytes: ok('no tunnel'), at: 'head' });
    const exchange = await rawExchange(proxy.port('tunnels'), UPGRADE, { untilClosed: true });
    assert.deepEqual(statusesOf(exchange), [200]);
    assert.equal(exchange.closed, true);
    const before = proxy.h1.connections;
    await rawExchange(proxy.port('tunnels'), GET);
    assert.equal(proxy.h1.connections, before + 1);
    assert.deepEqual(
      proxy.received().map(({ startLine }) => startLine),
      ['GET /ws HTTP/1.1', 'GET /next HTTP/1.1'],
    );
  });

  it('1.6 an upgrade that the upstream does not finish: its connection is never pooled', async () => {
    let ask = (): void => undefined;
    const asked = new Promise<void>((resolve) => (ask = resolve));
    proxy.h1.replyWith({ after: asked });
    await rawExchange(proxy.port('tunnels'), UPGRADE, {
      timeoutMs: 20_000,
      onWritten: (socket) => {
        const poll = setInterval(() => {
          if (proxy.h1.recordedCount === 0) return;
          clearInterval(poll);
          socket.destroy();
        }, 5);
      },
    });
    ask();
    const before = proxy.h1.connections;
    await rawExchange(proxy.port('tunnels'), GET);
    assert.equal(proxy.h1.connections, before + 1);
    assert.deepEqual(
      proxy.received().map(({ startLine }) => startLine),
      ['GET /ws HTTP/1.1', 'GET /next HTTP/1.1'],
    );
  });

  for (const [what, bytes, denied] of [
    ['an upgrade that the upstream declines', UPGRADE, 200],
    ['an upgrade that the upstream refuses', UPGRADE, 403],
    ['CONNECT that the upstream refuses', CONNECT, 403],
  ] as const) {
    it(`1.7 bytes behind ${what} are never taken for a request (CVE-2025-64763)`, async () => {
      proxy.h1.replyWith({ bytes: `HTTP/1.1 ${denied} X\r\nContent-Length: 0\r\n\r\n`, at: 'head' });
      const exchange = await rawExchange(proxy.port('tunnels'), bytes + SMUGGLED, {
        untilClosed: true,
        timeoutMs: 20_000,
      });
      assert.deepEqual(statusesOf(exchange), [denied]);
      await rawExchange(proxy.port('tunnels'), GET);
      // What came ahead may not have been sent at all, and if it was, then as what a tunnel carries.
      assert.deepEqual(
        proxy.received().map(({ startLine }) => startLine),
        [`${bytes.slice(0, bytes.indexOf('\r'))}`, 'GET /next HTTP/1.1'],
      );
    });

    it(`1.7 bytes behind ${what} are not sent before the tunnel is there`, async () => {
      let answer = (): void => undefined;
      const answered = new Promise<void>((resolve) => (answer = resolve));
      proxy.h1.replyWith({
        bytes: `HTTP/1.1 ${denied} X\r\nContent-Length: 0\r\n\r\n`,
        at: 'head',
        after: answered,
      });
      const exchange = rawExchange(proxy.port('tunnels'), bytes + SMUGGLED, {
        untilClosed: true,
        timeoutMs: 20_000,
      });
      await rawExchange(proxy.port('tunnels'), GET, { timeoutMs: 20_000 });
      const early = proxy.received().map(({ startLine }) => startLine);
      answer();
      await exchange;
      assert.deepEqual(
        early.filter((line) => line.includes('smuggled')),
        [],
      );
      assert.deepEqual(proxy.received(), []);
    });
  }

  it('1.7 where tunnels are not allowed, both are refused and closed, and nothing reaches the upstream', async () => {
    for (const bytes of [UPGRADE, CONNECT]) {
      const exchange = await proxy.raw(bytes + SMUGGLED, { untilClosed: true });
      assert.ok(
        statusesOf(exchange)[0] === 403 || statusesOf(exchange)[0] === 404,
        String(statusesOf(exchange)),
      );
      assert.equal(exchange.answers.length, 1);
      assert.deepEqual(proxy.received(), []);
    }
  });

  it('1.7 data on a stream of HTTP/2 whose CONNECT was refused never becomes a request', async () => {
    proxy.h1.replyWith({ bytes: 'HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n', at: 'head' });
    const client = await RawHttp2Client.connect(proxy.port('tunnels'));
    client.headers(
      1,
      [
        [':method', 'CONNECT'],
        [':authority', 'a:443'],
      ],
      false,
    );
    client.data(1, SMUGGLED);
    assert.deepEqual(await client.outcome(1), { status: 403 });
    client.headers(3, requestFields('/next'));
    assert.deepEqual(await client.outcome(3), { status: 200 });
    client.close();
    assert.deepEqual(
      proxy.received().map(({ startLine }) => startLine),
      ['CONNECT a:443 HTTP/1.1', 'GET /next HTTP/1.1'],
    );
  });

  it('4.13 a tunnel carries what was under way to its end, and then both sides are closed (RFC 9110, section 9.3.6)', async () => {
    proxy.h1.replyWith({ bytes: 'HTTP/1.1 200 OK\r\n\r\n', at: 'head', then: 'echo' });
    const open = proxy.h1.openConnections;
    const exchange = await rawExchange(proxy.port('tunnels'), CONNECT, {
      tunnel: 'there and back',
      isHead: true,
    });
    assert.equal(exchange.tunnel, 'there and back');
    while (proxy.h1.openConnections > open) await new Promise((resolve) => setImmediate(resolve));
    proxy.received();
  });
});
