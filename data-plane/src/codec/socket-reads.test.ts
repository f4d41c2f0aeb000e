import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type ConnectionOptions } from 'node:tls';
import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { forgeCertificate, forgeRoot } from '@heddle/certs/testing';
import type { LentMemory } from './lent-memory.js';
import {
  adoptSocket,
  adoptUsedSocket,
  connectSocket,
  connectTlsSocket,
  receiveBytes,
  type ByteReceiver,
} from './socket-reads.js';

describe('reading into memory of ours', () => {
  let server: Server;
  let port: number;
  let onAccepted: (socket: Socket) => void;
  const open = new Set<Socket>();

  before(async () => {
    server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => onAccepted(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });

  after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });

  /** A client's socket, and what the server accepted for it. */
  async function pair(make = connectSocket): Promise<{ client: Socket; accepted: Socket }> {
    const arrived = new Promise<Socket>((resolve) => (onAccepted = resolve));
    const client = make({ port, host: '127.0.0.1', allowHalfOpen: true });
    open.add(client);
    const accepted = await arrived;
    open.add(accepted);
    return { client, accepted };
  }

  it('is done for accepted sockets on this version of Node, by another socket that is the connection then', async () => {
    const { client, accepted } = await pair();
    const closed = new Promise((resolve) => accepted.once('close', resolve));
    const adopted = adoptSocket(accepted);
    open.add(adopted);
    assert.notEqual(adopted, accepted);
    await closed;
    assert.equal(adopted.remotePort, client.localPort);
    const receiver = new Recorder();
    receiveBytes(adopted, receiver);
    client.write('ping');
    await receiver.until(4);
    assert.equal(receiver.lentBytes, 4);
    adopted.write('pong');
    const answer = await new Promise<Buffer>((resolve) => client.once('data', resolve));
    assert.equal(answer.toString(), 'pong');
  });

  it('leaves an accepted socket as it is when something was read of it, or it is of another kind', async () => {
    const { client, accepted } = await pair();
    client.write('early');
    await new Promise((resolve) => accepted.once('readable', resolve));
    assert.equal(adoptSocket(accepted), accepted);
    assert.equal(accepted.read().toString(), 'early');
    class TlsSocket extends (accepted.constructor as typeof Socket) {}
    const other = new TlsSocket();
    assert.equal(adoptSocket(other), other);
  });

  it('leaves an accepted socket as it is when Node does not have what it takes', async () => {
    const { client, accepted } = await pair();
    const hidden = accepted as unknown as { _handle: unknown };
    const handle = hidden._handle;
    hidden._handle = undefined;
    assert.equal(adoptSocket(accepted), accepted);
    hidden._handle = handle;
    const receiver = new Recorder();
    receiveBytes(accepted, receiver);
    client.write('plain');
    await receiver.until(5);
    assert.equal(receiver.lentBytes, 0);
  });

  it('is done for accepted sockets in use, once all that was written has left; the old socket closes with the new one', async () => {
    const { client, accepted } = await pair();
    const arrived = new Promise((resolve) => accepted.once('data', resolve));
    client.write('before');
    await arrived;
    accepted.cork();
    accepted.write('corked');
    assert.equal(adoptUsedSocket(accepted), undefined);
    accepted.uncork();
    const adopted = adoptUsedSocket(accepted);
    assert.ok(adopted);
    open.add(adopted);
    const receiver = new Recorder();
    receiveBytes(adopted, receiver);
    client.write('after');
    await receiver.until(5);
    assert.deepEqual([receiver.text, receiver.lentBytes], ['after', 5]);
    assert.equal(accepted.destroyed, false);
    const closed = new Promise((resolve) => accepted.once('close', resolve));
    client.destroy();
    adopted.destroy();
    await closed;
  });

  it('lets whoever listens for data have it until a receiver takes the bytes', async () => {
    const { client, accepted } = await pair();
    accepted.write('first');
    const first = await new Promise<Buffer>((resolve) => client.once('data', resolve));
    client.pause();
    assert.equal(first.toString(), 'first');
    client.resume();
    const receiver = new Recorder();
    receiveBytes(client, receiver);
    accepted.write('second');
    await receiver.until(6);
    assert.equal(receiver.text, 'second');
    assert.equal(receiver.lentBytes, 6);
  });

  it('gives nothing while the socket is paused, and the end after everything else', async () => {
    const { client, accepted } = await pair();
    const adopted = adoptSocket(accepted);
    open.add(adopted);
    const receiver = new Recorder();
    receiveBytes(adopted, receiver);
    let ended = false;
    adopted.once('end', () => (ended = true));
    adopted.pause();
    client.end('all of it');
    // The kernel has it: had the socket been reading, it would be here.
    const echo = await pair();
    echo.accepted.write('.');
    await new Promise((resolve) => echo.client.once('data', resolve));
    assert.equal(receiver.text, '');
    adopted.resume();
    await new Promise((resolve) => adopted.once('end', resolve));
    assert.ok(ended);
    assert.equal(receiver.text, 'all of it');
  });

  it('gives every connection its own bytes, and leaves them alone while they are kept', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 120_000 }), { minLength: 1, maxLength: 6 }), {
          minLength: 2,
          maxLength: 6,
        }),
        fc.integer({ min: 0, max: 3 }),
        async (connections, keepEvery) => {
          const pairs: { client: Socket; accepted: Socket }[] = [];
          for (let i = 0; i < connections.length; i++) pairs.push(await pair());
          const results = await Promise.all(
            connections.map(async (writes, i) => {
              const { client, accepted } = pairs[i] as { client: Socket; accepted: Socket };
              const adopted = adoptSocket(accepted);
              const receiver = new Recorder(keepEvery);
              receiveBytes(adopted, receiver);
              const sent = Buffer.concat(writes.map((length, j) => patternOf(length, 16 * i + j)));
              for (let at = 0, j = 0; at < sent.length; at += writes[j++] as number) {
                client.write(sent.subarray(at, at + (writes[j] as number)));
              }
              await receiver.until(sent.length);
              client.destroy();
              adopted.destroy();
              return { sent, received: receiver.bytes };
            }),
          );
          for (const { sent, received } of results) assert.ok(received.equals(sent));
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('reading TLS into memory of ours', () => {
  it('gives records that arrive together in one piece, all of it before the end', async () => {
    const root = forgeRoot('root');
    const { certificatePem: cert, keyPem: key } = forgeCertificate({ issuer: root });
    // Whole records, so that nothing but time and the end says that no more comes.
    const sent = patternOf(64 * 16 * 1024, 1);
    const server = createTlsServer({ cert, key }, (socket) => socket.end(sent));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const options: ConnectionOptions = { port, host: '127.0.0.1', ca: root.certificatePem };
    const socket = connectTlsSocket((onread) =>
      connectTls(Object.assign(options, { checkServerIdentity: () => undefined, onread })),
    );
    const receiver = new Recorder();
    receiveBytes(socket, receiver);
    await new Promise((resolve) => socket.once('end', resolve));
    assert.ok(receiver.bytes.equals(sent));
    assert.ok(receiver.longestRead > 16 * 1024, `${receiver.longestRead} bytes at most`);
    socket.destroy();
    server.close();
  });
});

/** Bytes in which no two stretches of one length are alike. */
function patternOf(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * (2 * seed + 1) + (i >> 8) * 7 + (i >> 16)) & 255;
  return bytes;
}

/** Keeps what it receives; parts that are not kept for long are copied and given back. */
class Recorder implements ByteReceiver {
  readonly #kept: Buffer[] = [];
  readonly #keepEvery: number;
  #length = 0;
  #reads = 0;
  lentBytes = 0;
  longestRead = 0;
  #waiting: { length: number; resolve: () => void } | undefined;

  /** Of every so many reads one is kept as it was lent; 0: none. */
  constructor(keepEvery = 0) {
    this.#keepEvery = keepEvery;
  }

  receive(bytes: Buffer): void {
    this.#keep(bytes);
  }

  receiveLent(memory: LentMemory, start: number, end: number): void {
    this.lentBytes += end - start;
    this.longestRead = Math.max(this.longestRead, end - start);
    const part = memory.part(start, end);
    this.#reads++;
    if (this.#keepEvery > 0 && this.#reads % this.#keepEvery === 0) this.#keep(part);
    else {
      this.#keep(Buffer.from(part));
      memory.takeBack(part);
    }
  }

  expectedBytes(lastBytes: number): number {
    return lastBytes >= 16 * 1024 ? Infinity : 0;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#kept);
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }

  until(length: number): Promise<void> {
    if (this.#length >= length) return Promise.resolve();
    return new Promise((resolve) => (this.#waiting = { length, resolve }));
  }

  #keep(bytes: Buffer): void {
    this.#kept.push(bytes);
    this.#length += bytes.length;
    if (this.#waiting !== undefined && this.#length >= this.#waiting.length) this.#waiting.resolve();
  }
}
