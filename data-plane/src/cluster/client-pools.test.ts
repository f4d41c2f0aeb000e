import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import {
  clusterConfig,
  endpoint,
  forwardRoute,
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  TestProxy,
} from '../testing/proxy-under-test.js';

describe('connections upstream that tell of their client', () => {
  it('close with the connection of that client, and those of others stay', { timeout: 30_000 }, async () => {
    const accepted: Socket[] = [];
    const server = createServer((socket) => {
      accepted.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        if (chunk.includes('HTTP/1.1')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new TestProxy();
    const { port } = server.address() as AddressInfo;
    const transportSocket = { kind: 'raw', proxyProtocol: 1 } as const;
    proxy.clusters.apply([clusterConfig('backend', [endpoint(port)], { transportSocket })], []);
    const manager = managerConfig(routeConfig([forwardRoute('/', 'backend')]));
    assert.deepEqual(await proxy.listeners.apply([listenerConfig(manager)], []), []);
    const ask = async (client: RawClient, times: number): Promise<void> => {
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await client.until((text) => text.split('200 OK').length > times);
    };
    try {
      const [leaving, staying] = [new RawClient(proxy.port()), new RawClient(proxy.port())];
      await ask(leaving, 1);
      await ask(staying, 1);
      const [first, second] = accepted;
      assert.ok(first && second);
      const closed = once(first, 'close');
      leaving.socket.destroy();
      await closed;
      await ask(staying, 2);
      assert.equal(accepted.length, 2);
      assert.equal(second.destroyed, false);
      staying.socket.destroy();
      await once(second, 'close');
    } finally {
      for (const socket of accepted) socket.destroy();
      await proxy.close();
      server.close();
    }
  });
});
