import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { systemClock } from '@heddle/common';
import type { ConnectionInfo } from '../http/stream-state.js';
import {
  listenerConfig,
  managerConfig,
  RawClient,
  routeConfig,
  TestProxy,
} from '../testing/proxy-under-test.js';
import { Echo } from './echo.js';

/** It looks at none of it. */
const UNUSED = {} as ConnectionInfo;

describe('Echo', () => {
  let proxy: TestProxy;
  let client: RawClient;

  beforeEach(async () => {
    proxy = new TestProxy();
    const base = listenerConfig(managerConfig(routeConfig([])));
    const [chain] = base.filterChains;
    assert.ok(chain);
    const problems = await proxy.listeners.apply(
      [{ ...base, filterChains: [{ ...chain, filters: [{ kind: 'echo', name: 'echo' }] }] }],
      [],
    );
    assert.deepEqual(problems, []);
    client = new RawClient(proxy.port());
  });

  afterEach(async () => {
    client.close();
    await proxy.close();
  });

  it('sends back what comes and ends when its client does', async () => {
    client.write('there and back');
    client.socket.end();
    assert.equal(await client.untilEnd(), 'there and back');
  });

  it('reads no more before its client took what it was sent', async () => {
    const taken: (() => void)[] = [];
    const socket = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done) => taken.push(done),
      writableHighWaterMark: 1,
    });
    new Echo(systemClock).accept(socket as Socket, UNUSED, Buffer.from('early'));
    assert.ok(socket.isPaused());
    socket.push('later');
    assert.equal(taken.length, 1);
    taken.pop()?.();
    await once(socket, 'data');
    assert.deepEqual([taken.length, socket.isPaused()], [1, true]);
    socket.destroy();
  });
});
