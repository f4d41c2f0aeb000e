import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { TcpProxyConfig } from '@heddle/engine';
import {
  clusterConfig,
  endpoint,
  eventually,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  TestProxy,
} from '../testing/proxy-under-test.js';

describe('TcpProxy', () => {
  let proxy: TestProxy;
  let upstream: Server;
  let onSocket: (socket: Socket) => void;
  const clients: RawClient[] = [];
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    proxy = new TestProxy();
    upstream = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      onSocket(socket);
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await proxy.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => upstream.close(resolve));
  });

  async function start(config: Partial<TcpProxyConfig> = {}): Promise<RawClient> {
    const { port } = upstream.address() as AddressInfo;
    proxy.clusters.apply([clusterConfig('backend', [endpoint(port)])], []);
    const tcp: TcpProxyConfig = {
      statPrefix: 'tcp',
      clusters: [{ name: 'backend', weight: 1 }],
      totalWeight: 1,
      idleTimeoutMs: 0,
      maxConnectAttempts: 1,
      maxDownstreamConnectionDurationMs: 0,
      accessLogs: [proxy.accessLog()],
      ...config,
    };
    const base = listenerConfig(managerConfig(routeConfig([])));
    const [chain] = base.filterChains;
    assert.ok(chain);
    const problems = await proxy.listeners.apply(
      [{ ...base, filterChains: [{ ...chain, filters: [{ kind: 'tcp-proxy', name: 'tcp', config: tcp }] }] }],
      [],
    );
    assert.deepEqual(problems, []);
    const client = new RawClient(proxy.port());
    clients.push(client);
    return client;
  }

  it('relays both ways, and an answer that comes after the client has ended its side', async () => {
    onSocket = (socket) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('end', () => socket.end(`you said ${text}`));
    };
    const client = await start();
    client.write('hello');
    client.socket.end();
    assert.equal(await client.untilEnd(), 'you said hello');
    await closed(client);
    const [line] = await proxy.logLines();
    assert.equal(line?.['bytes_received'], 5);
    assert.equal(line?.['bytes_sent'], 14);
    assert.equal(line?.['upstream_cluster'], 'backend');
    assert.equal(line?.['response_flags'], null);
    assert.equal(proxy.counter('tcp.downstream_cx_active'), 0);
    assert.equal(proxy.counter('cluster.upstream_cx_active'), 0);
  });

  it('delivers everything the upstream sent before it closed', async () => {
    const body = 'x'.repeat(3 * 1024 * 1024);
    onSocket = (socket) => socket.end(body);
    const client = await start();
    assert.equal((await client.untilEnd()).length, body.length);
  });

  it('carries bulk both ways at once, byte for byte, in memory that is used again', async () => {
    const sent = randomBytes(12 * 1024 * 1024);
    const answer = randomBytes(12 * 1024 * 1024);
    const received = createHash('sha256');
    onSocket = (socket) => {
      socket.on('data', (chunk: Buffer) => received.update(chunk));
      socket.on('end', () => socket.end());
      socket.write(answer);
    };
    const client = await start();
    let mostBulk = 0;
    const came = createHash('sha256');
    client.socket.removeAllListeners('data');
    client.socket.on('data', (chunk: Buffer) => {
      came.update(chunk);
      mostBulk = Math.max(mostBulk, proxy.counter('tcp.bulk_active'));
    });
    client.socket.end(sent);
    await client.untilEnd();
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    assert.equal(came.digest('hex'), hash(answer));
    assert.equal(received.digest('hex'), hash(sent));
    assert.ok(mostBulk >= 1, 'nothing was taken for bulk');
    await eventually(() => proxy.counter('tcp.downstream_cx_active') === 0);
    assert.equal(proxy.counter('tcp.bulk_active'), 0);
    assert.equal(proxy.listeners.status()[0]?.connections, 0);
  });

  it('closes a connection that carries bulk when its listener does', async () => {
    onSocket = (socket) => {
      socket.on('data', () => undefined);
      socket.on('close', () => socket.destroy());
    };
    const client = await start();
    const more = (): void => {
      while (client.socket.write(Buffer.alloc(64 * 1024)));
    };
    client.socket.on('drain', more);
    more();
    await eventually(() => proxy.counter('tcp.bulk_active') === 1);
    await proxy.listeners.close();
    await client.untilEnd();
    assert.equal(proxy.counter('tcp.bulk_active'), 0);
  });

  it('closes the client with UF when the upstream cannot be reached', async () => {
    onSocket = () => undefined;
    const { port } = upstream.address() as AddressInfo;
    await new Promise((resolve) => upstream.close(resolve));
    proxy.clusters.apply([clusterConfig('dead', [endpoint(port)])], []);
    upstream = createServer(() => undefined);
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const client = await start({ clusters: [{ name: 'dead', weight: 1 }], maxConnectAttempts: 2 });
    assert.equal(await client.untilEnd(), '');
    const [line] = await proxy.logLines();
    assert.equal(line?.['response_flags'], 'UF,URX');
    assert.equal(proxy.counter('cluster.upstream_cx_connect_fail'), 2);
    assert.equal(proxy.counter('cluster.upstream_cx_connect_attempts_exceeded'), 1);
  });

  it('closes the client when the cluster is not known or has no endpoint', async () => {
    onSocket = () => undefined;
    const client = await start({ clusters: [{ name: 'nowhere', weight: 1 }] });
    await client.untilEnd();
    assert.equal((await proxy.logLines())[0]?.['response_flags'], 'NC');
  });

  it('closes connections on which nothing is sent for the idle timeout', async () => {
    onSocket = () => undefined;
    const client = await start({ idleTimeoutMs: 30 });
    await client.untilEnd();
    assert.equal(proxy.counter('tcp.idle_timeout'), 1);
  });

  it('stops reading from the client while the upstream does not read', async () => {
    onSocket = (socket) => socket.pause();
    const client = await start();
    const piece = Buffer.alloc(64 * 1024);
    let sent = 0;
    await new Promise<void>((resolve) => {
      const pump = (): void => {
        while (sent < 500 * 1024 * 1024) {
          sent += piece.length;
          if (!client.socket.write(piece)) {
            const timer = setTimeout(resolve, 200);
            client.socket.once('drain', () => {
              clearTimeout(timer);
              pump();
            });
            return;
          }
        }
        resolve();
      };
      pump();
    });
    assert.ok(sent < 100 * 1024 * 1024, `${sent} bytes were taken`);
  });
});

function closed(client: RawClient): Promise<void> {
  return new Promise((resolve) => {
    if (client.socket.destroyed) resolve();
    else client.socket.once('close', () => resolve());
  });
}
