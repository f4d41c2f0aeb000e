import { createHash, randomBytes } from 'node:crypto';
import { Agent, createServer, request, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { startRelays, type RelayRow } from '../../testing/codec-relay.js';

/** Small, so that bodies go through many rounds of back-pressure. */
const BUFFER_LIMIT_BYTES = 32 * 1024;

/** Reads, and stops for a while over and over. */
async function readWithPauses(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    if (chunks.length % 50 === 1) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return Buffer.concat(chunks);
}

for (const [title, how] of [
  ['that read into memory of ours', 'lent-memory'],
  ['that read as Node does', 'plain-node'],
  ['of two relays with TLS between them', 'tls'],
] as const) {
  describe(`server and client codec in a row, over real sockets ${title}`, () => {
    let backend: Server;
    let relay: RelayRow;
    let port: number;
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });

    before(async () => {
      // Echoes, with or without a length, as the request asks.
      backend = createServer((message, response) => {
        const length = message.headers['content-length'];
        response.writeHead(
          200,
          message.url === '/length' && length !== undefined ? { 'content-length': length } : {},
        );
        message.pipe(response);
      });
      backend.on('upgrade', (_message, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
        socket.pipe(socket);
      });
      await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
      relay = await startRelays((backend.address() as AddressInfo).port, BUFFER_LIMIT_BYTES, how);
      ({ port } = relay);
    });

    after(() => {
      agent.destroy();
      relay.stop();
      backend.closeAllConnections();
      backend.close();
    });

    function echo(body: Buffer, path: string, chunked: boolean, slow: boolean): Promise<Buffer> {
      return new Promise((resolve, reject) => {
        const outgoing = request(
          {
            port,
            host: '127.0.0.1',
            agent,
            method: 'POST',
            path,
            headers: chunked ? {} : { 'content-length': body.length },
          },
          (message: IncomingMessage) => {
            const chunks: Buffer[] = [];
            message.on('data', (chunk: Buffer) => {
              chunks.push(chunk);
              if (!slow) return;
              message.pause();
              setImmediate(() => setImmediate(() => message.resume()));
            });
            message.on('end', () => resolve(Buffer.concat(chunks)));
            message.on('error', reject);
          },
        );
        outgoing.on('error', reject);
        if (chunked) {
          const pieces = 1 + (body.length % 7);
          const size = Math.ceil(body.length / pieces);
          for (let i = 0; i < pieces; i++) outgoing.write(body.subarray(i * size, (i + 1) * size));
        } else {
          outgoing.write(body);
        }
        outgoing.end();
      });
    }

    it('carry bodies of every size and framing unchanged, also to slow readers', async () => {
      const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
      const rounds = [
        0, 1, 2, 5000, 15_900, 16_000, 16_100, 65_535, 65_536, 90_000, 200_000, 1_000_000, 3_000_000,
      ].flatMap((size) =>
        [false, true].flatMap((chunked) => ['/length', '/chunked'].map((path) => ({ size, chunked, path }))),
      );
      await Promise.all(
        rounds.map(async ({ size, chunked, path }, i) => {
          const body = randomBytes(size);
          const echoed = await echo(body, path, chunked, i % 2 === 1);
          assert.equal(echoed.length, size, `${size} ${path} chunked: ${chunked}`);
          assert.equal(hash(echoed), hash(body), `${size} ${path} chunked: ${chunked}`);
        }),
      );
      assert.equal(relay.pool.activeStreams, 0);
      assert.ok(relay.pool.connections <= 8, 'connections are reused');
    });

    it('keep little in memory for a client that never reads', async () => {
      let sent = 0;
      const socket = connect(port, '127.0.0.1');
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.pause();
      socket.write(`POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 << 20}\r\n\r\n`);
      const chunk = Buffer.alloc(256 * 1024);
      // Until nothing moves any more: neither the relay nor the echo behind it reads on.
      for (let stalled = 0; stalled < 50 && sent < 64 << 20;) {
        if (socket.writableLength < 1024 * 1024) {
          socket.write(chunk);
          sent += chunk.length;
          stalled = 0;
        } else {
          stalled++;
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      assert.ok(sent < 40 << 20, `${sent} bytes were taken`);
      socket.destroy();
    });

    it('carry large bodies unchanged to readers that stop for a while', async () => {
      const body = randomBytes(24 << 20);
      const received = new Map<string, Buffer>();
      const slow = createServer((message, response) => {
        void readWithPauses(message).then((bytes) => {
          received.set('request', bytes);
          response.end(body);
        });
      });
      await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
      const patient = await startRelays((slow.address() as AddressInfo).port, 1024 * 1024, how);
      const answer = await new Promise<IncomingMessage>((resolve) => {
        const headers = { 'content-length': body.length };
        request({ port: patient.port, host: '127.0.0.1', method: 'POST', headers }, resolve).end(body);
      });
      received.set('response', await readWithPauses(answer));
      for (const [what, bytes] of received) assert.ok(bytes.equals(body), what);
      patient.stop();
      slow.closeAllConnections();
      slow.close();
    });

    it('carry a tunnel, and its half-close', async () => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      const ended = new Promise<void>((resolve) => socket.once('end', resolve));
      socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
      while (!text.endsWith('\r\n\r\n')) await new Promise((resolve) => socket.once('data', resolve));
      assert.match(text, /^HTTP\/1\.1 101 /);
      socket.end('through the tunnel');
      await ended;
      assert.ok(text.endsWith('through the tunnel'));
    });
  });
}
