import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OpenBreakerError, OriginBreakers } from './origin-breakers.js';

describe('OriginBreakers', () => {
  it('stop asking an origin that failed again and again, and no other', async () => {
    const asked: string[] = [];
    const breakers = new OriginBreakers((url) => {
      asked.push(url);
      return url.startsWith('https://dead') ? Promise.reject(new Error('down')) : Promise.resolve('alive');
    });
    try {
      const reasons: unknown[] = [];
      for (let i = 0; i < 8; i++) {
        await breakers.fetchText(`https://dead/${i}`, 1000).catch((error: unknown) => reasons.push(error));
      }
      assert.equal(asked.length, 5);
      assert.match(String(reasons[0]), /down/);
      assert.ok(reasons[7] instanceof OpenBreakerError);
      assert.equal(await breakers.fetchText('https://alive/', 1000), 'alive');
    } finally {
      breakers.close();
    }
  });
});
