import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { createSeededRandom } from '@heddle/common';
import { FreePorts } from './free-ports.js';

describe('FreePorts', () => {
  it('gives each port once, below those of outgoing connections, also to askers at the same time', async () => {
    const ports = new FreePorts(createSeededRandom(1));
    const given = await Promise.all(Array.from({ length: 40 }, () => ports.take()));
    assert.equal(new Set(given).size, 40);
    for (const port of given) assert.ok(port >= 20_000 && port < 32_768, String(port));
  });

  it('passes over a port that somebody listens on', async () => {
    const [first = 0] = [await new FreePorts(createSeededRandom(2)).take()];
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(first, '127.0.0.1', resolve));
    try {
      assert.notEqual(await new FreePorts(createSeededRandom(2)).take(), first);
      assert.equal(
        await new FreePorts(createSeededRandom(2)).claim((server.address() as AddressInfo).port),
        false,
      );
    } finally {
      server.close();
    }
  });

  it('prefers the wanted port, and takes another when it was given away', async () => {
    const ports = new FreePorts(createSeededRandom(3));
    const wanted = await ports.take();
    assert.notEqual(await ports.prefer(wanted), wanted);
    ports.release(wanted);
    assert.equal(await ports.prefer(wanted), wanted);
  });
});
