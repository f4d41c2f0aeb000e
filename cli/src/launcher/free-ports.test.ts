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
