import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { FakeClock } from '@heddle/common';
import { formatAnswer } from './answer.js';
import { addressAnswer, questionFor, recordsOf } from './dns-message.test-support.js';
import { MessageReader, framed } from './framed-messages.js';
import { isTruncated, parseQuery, type DnsQuery } from './message.js';
import { askOverNetwork, systemResolver, type UpstreamServer } from './upstream-servers.js';

describe('asking a name server', () => {
  it('takes the answer to its question alone, with the id of whoever asked', async (t) => {
    const { server } = await serve(t, (request, reply, from) => {
      const query = parseQuery(request) as DnsQuery;
      const forged = (change: (bytes: Buffer) => void): void => {
        const bytes = addressAnswer(request, query, ['192.0.2.66'], 60);
        change(bytes);
        reply(bytes);
      };
      forged((bytes) => bytes.writeUInt16BE(query.id ^ 1, 0));
      forged((bytes) => bytes.writeUInt8(bytes.readUInt8(13) ^ 0x20, 13));
      forged((bytes) => bytes.writeUInt16BE(0, 2));
      reply(Buffer.from('x'));
      // From another port, and then what was asked for.
      const other = createSocket('udp4');
      other.send(addressAnswer(request, query, ['192.0.2.67'], 60), from.port, from.address, () => {
        other.close();
        reply(addressAnswer(request, query, ['192.0.2.1'], 60));
      });
    });
    const request = questionFor('sHop.example', 1, { id: 7 });
    const answer = await ask(server, request);
    assert.deepEqual(answer && recordsOf(answer), ['192.0.2.1']);
    assert.equal(answer?.readUInt16BE(0), 7);
  });

  it('gives every question an id and a port of its own', async (t) => {
    const seen = new Set<string>();
    const { server } = await serve(t, (request, reply, from) => {
      seen.add(`${request.readUInt16BE(0)} ${from.port}`);
      reply(addressAnswer(request, parseQuery(request) as DnsQuery, ['192.0.2.1'], 60));
    });
    const request = questionFor('shop.example', 1);
    await Promise.all(Array.from({ length: 8 }, () => ask(server, request)));
    assert.equal(seen.size, 8);
  });

  it('asks again over TCP for what UDP could not carry', async (t) => {
    const many = Array.from({ length: 60 }, (_, i) => `192.0.2.${i}`);
    const { server } = await serve(
      t,
      (request, reply) =>
        reply(formatAnswer(request, parseQuery(request) as DnsQuery, { isTruncated: true })),
      (request) => addressAnswer(request, parseQuery(request) as DnsQuery, many, 60),
    );
    const answer = await ask(server, questionFor('many.example', 1));
    assert.equal(answer && recordsOf(answer).length, 60);
  });

  it('passes on that there is more where nobody serves TCP', async (t) => {
    const { server } = await serve(t, (request, reply) =>
      reply(formatAnswer(request, parseQuery(request) as DnsQuery, { isTruncated: true })),
    );
    const answer = await ask(server, questionFor('many.example', 1));
    assert.ok(answer && isTruncated(answer));
  });

  it('gives up after a while', async (t) => {
    const clock = new FakeClock();
    const { server } = await serve(t, () => clock.advance(3_000));
    assert.equal(await ask(server, questionFor('slow.example', 1), clock), undefined);
  });
});

describe('what the machine’s resolver is told', () => {
  it('is read from its file: three servers at most, and the last search list', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-resolv-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'resolv.conf');
    const servers = ['192.0.2.1', 'fe80::1%eth0', '192.0.2.2', '192.0.2.3'];
    const lines = servers.map((server) => `nameserver ${server}`);
    writeFileSync(
      file,
      ['domain old.example', ...lines, 'search Corp.example. other.example .', ''].join('\n'),
    );
    assert.deepEqual(systemResolver(file), {
      servers: ['192.0.2.1', 'fe80::1', '192.0.2.2'].map((host) => ({ host, port: 53, protocol: 'udp' })),
      searchDomains: ['corp.example', 'other.example'],
    });
    assert.deepEqual(systemResolver(join(folder, 'none')), { servers: [], searchDomains: [] });
  });
});

function ask(server: UpstreamServer, request: Buffer, clock = new FakeClock()): Promise<Buffer | undefined> {
  return new Promise((done) => askOverNetwork(clock, undefined)(server, request, done));
}

/** A name server on loopback: over UDP it answers as told, over TCP only where `overTcp` is given. */
async function serve(
  t: TestContext,
  overUdp: (request: Buffer, reply: (bytes: Buffer) => void, from: RemoteInfo) => void,
  overTcp?: (request: Buffer) => Buffer,
): Promise<{ readonly server: UpstreamServer }> {
  const tcp = createServer((socket) => {
    const reader = new MessageReader((request) => {
      if (overTcp === undefined) socket.destroy();
      else socket.end(framed(overTcp(request)));
    });
    socket.on('error', () => undefined).on('data', (chunk) => reader.read(chunk));
  });
  await new Promise<void>((done) => tcp.listen(0, '127.0.0.1', done));
  t.after(() => tcp.close());
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket('udp4');
  udp.on('message', (request, from) =>
    overUdp(request, (bytes) => udp.send(bytes, from.port, from.address), from),
  );
  await new Promise<void>((done) => udp.bind(port, '127.0.0.1', done));
  t.after(() => udp.close());
  return { server: { host: '127.0.0.1', port, protocol: 'udp' } };
}
