import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ErrorCode, Flag, frame, FrameType } from '@heddle/data-plane/testing';
import { ProxyUnderAttack, routeTo } from './proxy-under-attack.js';
import { literalFields, RawHttp2Client, requestFields } from './raw-http2-client.js';

type Fields = readonly (readonly [name: string, value: string])[];

const PSEUDO: Fields = requestFields('/');
const without = (name: string): Fields => PSEUDO.filter(([key]) => key !== name);

/** What RFC 9113 demands of an intermediary: by the other side of the proxy nothing of it may be seen, whatever that speaks. */
describe('RFC 9113', () => {
  let proxy: ProxyUnderAttack;
  before(async () => {
    proxy = await ProxyUnderAttack.start({ listeners: { plain: {}, h2: { routes: [routeTo('h2')] } } });
  });
  after(() => proxy.close());

  const resets = async (fields: Fields, why: string): Promise<void> => {
    for (const listener of ['plain', 'h2']) {
      const client = await RawHttp2Client.connect(proxy.port(listener));
      client.headers(1, fields);
      assert.deepEqual(await client.outcome(1), { reset: ErrorCode.ProtocolError }, why);
      client.headers(3, requestFields('/next'));
      assert.deepEqual(await client.outcome(3), { status: 200 });
      client.close();
    }
    assert.deepEqual(
      proxy.received().map(({ startLine }) => startLine),
      ['GET /next HTTP/1.1'],
      why,
    );
    assert.deepEqual(
      proxy.h2.take().map(({ headers }) => headers[':path']),
      ['/next'],
      why,
    );
  };

  it('4.29, 4.36 what is malformed is never forwarded, nor translated (sections 8.1.1, 10.3)', async () => {
    await resets([...PSEUDO, ['content-length', '5']], 'a length without a body');
    await resets([...PSEUDO, ['content-length', 'x']], 'a length that is none');
    await resets(requestFields('/a b'), 'a path with a space');
  });

  it('4.30 names and values are of the bytes that they may have (section 8.2.1)', async () => {
    for (const name of ['X-A', 'x a', 'x\x7f', 'x\x80', '', 'x:'])
      await resets([...PSEUDO, [name, 'b']], `the name ${JSON.stringify(name)}`);
    for (const value of ['a\0', 'a\r', 'a\n', ' a', 'a\t'])
      await resets([...PSEUDO, ['x-a', value]], `the value ${JSON.stringify(value)}`);
  });

  it('4.31 no field of a connection, and TE only with trailers (section 8.2.2)', async () => {
    for (const [name, value] of [
      ['connection', 'close'],
      ['proxy-connection', 'keep-alive'],
      ['keep-alive', 'timeout=5'],
      ['transfer-encoding', 'chunked'],
      ['upgrade', 'websocket'],
      ['te', 'gzip'],
    ] as const) {
      await resets([...PSEUDO, [name, value]], name);
    }
    const client = await RawHttp2Client.connect(proxy.port('h2'));
    client.headers(1, [...PSEUDO, ['te', 'trailers']]);
    assert.deepEqual(await client.outcome(1), { status: 200 });
    client.close();
    assert.equal(proxy.h2.take()[0]?.headers['te'], 'trailers');
  });

  it('4.32 crumbs of a cookie are joined for HTTP/1.1 (section 8.2.3)', async () => {
    const client = await RawHttp2Client.connect(proxy.port());
    client.headers(1, [...PSEUDO, ['cookie', 'a=1'], ['x-a', 'b'], ['cookie', 'b=2'], ['cookie', 'c=3']]);
    assert.deepEqual(await client.outcome(1), { status: 200 });
    client.close();
    const cookies = proxy.received()[0]?.fields.filter(([name]) => name === 'cookie');
    assert.deepEqual(cookies, [['cookie', 'a=1; b=2; c=3']]);
  });

  it('4.33 pseudo-fields come first, once, and are known (section 8.3)', async () => {
    await resets([['x-a', 'b'], ...PSEUDO], 'a field before them');
    await resets([...PSEUDO, [':path', '/admin']], 'two paths');
    await resets([...PSEUDO, [':other', 'b']], 'an unknown one');
    await resets([...PSEUDO, [':status', '200']], 'one of answers');
    for (const name of [':method', ':path', ':scheme']) await resets(without(name), `without ${name}`);
  });

  it('4.34 Host is what :authority says, and another Host is not believed (section 8.3.1)', async () => {
    for (const listener of ['plain', 'h2']) {
      const client = await RawHttp2Client.connect(proxy.port(listener));
      client.headers(1, [...PSEUDO, ['host', 'other.example']]);
      assert.deepEqual(await client.outcome(1), { status: 200 });
      client.close();
    }
    assert.deepEqual(
      proxy.received()[0]?.fields.filter(([name]) => name === 'host'),
      [['host', 'a']],
    );
    const [request] = proxy.h2.take();
    assert.deepEqual([request?.headers[':authority'], request?.headers.host], ['a', undefined]);
  });

  it('4.35 a window that grows by nothing, and a header block that is interrupted, are errors (sections 6.9, 6.10)', async () => {
    const nothing = Buffer.alloc(4);
    const open = frame(FrameType.Headers, Flag.EndHeaders, 1, literalFields(PSEUDO));
    const begun = frame(FrameType.Headers, Flag.EndStream, 1, literalFields(PSEUDO));
    const stream = await RawHttp2Client.connect(proxy.port());
    stream.send(open, frame(FrameType.WindowUpdate, 0, 1, nothing));
    assert.deepEqual(await stream.outcome(1), { reset: ErrorCode.ProtocolError });
    stream.close();
    for (const bytes of [
      [frame(FrameType.WindowUpdate, 0, 0, nothing)],
      [begun, frame(FrameType.Ping, 0, 0, '12345678')],
      [begun, frame(FrameType.Continuation, Flag.EndHeaders, 3)],
      [frame(FrameType.Continuation, Flag.EndHeaders, 1)],
      [begun, frame(FrameType.Data, Flag.EndStream, 1, 'x')],
    ]) {
      const client = await RawHttp2Client.connect(proxy.port());
      client.send(...bytes);
      await client.untilClosed();
      assert.equal(client.goAway, ErrorCode.ProtocolError);
    }
    await proxy.raw('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.deepEqual(
      proxy
        .received()
        .map(({ startLine }) => startLine)
        .filter((line) => !line.includes('/next')),
      [],
    );
  });
});
