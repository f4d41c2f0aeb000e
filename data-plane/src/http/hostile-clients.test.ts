import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { HttpConnectionManagerConfig, ListenerConfig } from '@heddle/engine';
import {
  clusterConfig,
  endpoint,
  eventually,
  forwardRoute,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  TestProxy,
} from '../testing/proxy-under-test.js';

const MEBIBYTE = 1024 * 1024;

describe('a client that means harm, or is slow', () => {
  let proxy: TestProxy;
  let upstream: Server;
  let answer: (socket: Socket) => void;
  const sockets = new Set<Socket>();
  const clients: RawClient[] = [];

  beforeEach(async () => {
    proxy = new TestProxy();
    upstream = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', () => answer(socket));
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await proxy.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => upstream.close(resolve));
  });

  async function start(
    manager: Partial<HttpConnectionManagerConfig> = {},
    listener: Partial<ListenerConfig> = {},
  ): Promise<RawClient> {
    const { port } = upstream.address() as AddressInfo;
    proxy.clusters.apply([clusterConfig('backend', [endpoint(port)])], []);
    const config = managerConfig(routeConfig([forwardRoute('/', 'backend')]), manager);
    assert.deepEqual(await proxy.listeners.apply([{ ...listenerConfig(config), ...listener }], []), []);
    const client = new RawClient(proxy.port());
    clients.push(client);
    return client;
  }

  it('cannot make a connection read on whose first bytes a listener filter looked at', async () => {
    answer = () => undefined;
    const client = await start({}, { listenerFilters: [{ kind: 'http-inspector', name: 'inspector' }] });
    const get = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
    client.write(get + get);
    await eventually(() => sockets.size === 1);
    let sent = 0;
    const more = Buffer.alloc(MEBIBYTE, get);
    // The kernel takes some of it; a proxy that reads on takes all.
    for (let i = 0; i < 48; i++) client.socket.write(more, () => sent++);
    let idleTurns = 0;
    let sentBefore = -1;
    await eventually(() => {
      idleTurns = sent === sentBefore ? idleTurns + 1 : 0;
      sentBefore = sent;
      return idleTurns > 20_000 || sent === 48;
    });
    assert.ok(sent < 48, 'everything was read while the first request has no answer');
  });

  it('gets the whole of a last answer however slowly it reads, as long as it reads', async () => {
    const body = Buffer.alloc(12 * MEBIBYTE, 'x');
    answer = (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
      socket.end(body);
    };
    const client = await start({ delayedCloseTimeoutMs: 150 }, { perConnectionBufferLimitBytes: 0 });
    let got = 0;
    client.socket.removeAllListeners('data');
    client.socket.on('data', (chunk: Buffer) => {
      got += chunk.length;
      client.socket.pause();
      setTimeout(() => client.socket.resume(), 4);
    });
    client.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    await client.untilEnd();
    assert.ok(got > body.length, `${got} of ${body.length} bytes`);
  });

  it('is given up when it reads nothing of a last answer', async () => {
    const body = Buffer.alloc(12 * MEBIBYTE, 'x');
    answer = (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
      socket.end(body);
    };
    const client = await start({ delayedCloseTimeoutMs: 150 }, { perConnectionBufferLimitBytes: 0 });
    client.socket.pause();
    client.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    await eventually(() => proxy.listeners.activeConnections === 1);
    await eventually(() => proxy.listeners.activeConnections === 0);
  });
});
