import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { FaultyUpstream } from '../faults/faulty-upstream.js';
import { ProxyGround } from '../faults/proxy-ground.js';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';

describe('heddle-proxy on SIGTERM', { timeout: 60_000 }, () => {
  const upstream = new FaultyUpstream();
  let upstreamPort = 0;
  before(async () => {
    upstreamPort = await upstream.listen();
  });
  after(() => upstream.close());

  it('answers what is in flight and what comes on connections that are open, and says that it was the last', async () => {
    const proxy = await ProxyGround.start({ upstreamPort });
    try {
      const kept = await Promise.all(Array.from({ length: 20 }, () => Client.connect(proxy.port)));
      // Each was used before, and is idle now.
      for (const client of kept) client.ask('/');
      await eventually(
        () => kept.every(({ text }) => text.endsWith('ok\n')),
        () => 'not all were answered',
      );
      const busy = await Promise.all(Array.from({ length: 20 }, () => Client.connect(proxy.port)));
      const seen = upstream.requests;
      for (const client of busy) client.ask('/slow?ms=600');
      await eventually(
        () => upstream.requests === seen + busy.length,
        () => 'not all reached the upstream',
      );
      proxy.program.kill('SIGTERM');
      await eventually(
        () => proxy.program.output.includes('"draining"'),
        () => proxy.program.output,
      );
      for (const client of kept) {
        client.text = '';
        client.ask('/');
      }
      const { code } = await proxy.program.ended();
      assert.equal(code, 0, proxy.program.output);
      for (const { text } of [...kept, ...busy]) {
        assert.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*ok\n$/);
      }
      assert.equal((await httpCall(proxy.port, '/')).status, 0, 'it still accepts');
    } finally {
      await proxy.stop();
    }
  });

  it('loses nobody who was connected and not accepted yet', async () => {
    const proxy = await ProxyGround.start({ upstreamPort });
    try {
      proxy.program.kill('SIGSTOP');
      const queued = await Promise.all(Array.from({ length: 100 }, () => Client.connect(proxy.port)));
      for (const client of queued) client.ask('/');
      proxy.program.kill('SIGTERM');
      proxy.program.kill('SIGCONT');
      const { code } = await proxy.program.ended();
      assert.equal(code, 0, proxy.program.output);
      assert.deepEqual(
        queued.filter(({ text }) => !text.startsWith('HTTP/1.1 200 OK')).map(({ text }) => text),
        [],
      );
    } finally {
      await proxy.stop();
    }
  });

  it('waits for the drain time and no longer, and tells what it cut off', async () => {
    const proxy = await ProxyGround.start({ upstreamPort, args: ['--drain-time-s', '1'] });
    try {
      const answer = httpCall(proxy.port, '/slow?ms=1900');
      const seen = upstream.requests;
      await eventually(
        () => upstream.requests > seen,
        () => 'it did not reach the upstream',
      );
      const askedMs = performance.now();
      proxy.program.kill('SIGTERM');
      const { code } = await proxy.program.ended();
      const tookMs = performance.now() - askedMs;
      assert.equal(code, 0, proxy.program.output);
      assert.equal((await answer).status, 0);
      assert.ok(tookMs >= 950 && tookMs < 1800, `it ended after ${tookMs} ms`);
      assert.match(proxy.program.output, /what is in flight is cut off.*"requests":1/);
    } finally {
      await proxy.stop();
    }
  });
});

/** One connection that is kept, below HTTP libraries. */
class Client {
  readonly #socket: Socket;
  text = '';

  static connect(port: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(new Client(socket)));
      socket.once('error', reject);
    });
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => (this.text += text));
    socket.on('error', (error) => (this.text += `(${error.message})`));
  }

  ask(target: string): void {
    this.#socket.write(`GET ${target} HTTP/1.1\r\nHost: kept\r\n\r\n`);
  }
}
