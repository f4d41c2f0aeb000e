import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { systemRandom } from '@heddle/common';
import { FreePorts } from './free-ports.js';

describe('FreePorts', () => {
  it('gives no port twice until it is released', async () => {
    const ports = new FreePorts(systemRandom);
    const port = await ports.take();
    assert.equal(await ports.claim(port), false);
    assert.notEqual(await ports.prefer(port), port);
    ports.release(port);
    assert.equal(await ports.prefer(port), port);
    ports.close();
  });

  it('leaves a port that another launcher prefers too to whoever came first, until that one ends', async (t) => {
    if (process.platform !== 'linux') return t.skip('launchers hear of each other on Linux only');
    const [first, second] = [new FreePorts(systemRandom), new FreePorts(systemRandom)];
    const port = await first.take();
    first.release(port);
    const chosen = await Promise.all([first.prefer(port), second.prefer(port)]);
    assert.equal(chosen.filter((one) => one === port).length, 1);
    const [winner, loser] = chosen[0] === port ? [first, second] : [second, first];
    winner.close();
    assert.equal(await loser.prefer(port), port);
    loser.close();
  });

  it('gives another port for one that somebody listens on', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const ports = new FreePorts(systemRandom);
    assert.equal(await ports.claim(port), false);
    assert.notEqual(await ports.prefer(port), port);
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
});
