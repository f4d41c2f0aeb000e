import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeEvent } from './report-events.js';

describe('describeEvent', () => {
  it("tells a crash with its reason, the program's last words and its log", () => {
    const text = describeEvent({
      kind: 'crashed',
      name: 'cart-0',
      how: 'exit code 1',
      wasStarted: true,
      restartInMs: 230,
      lastWords: ['Error: no PORT'],
      logFile: '/state/cart-0.log',
    });
    assert.match(text ?? '', /cart-0 ended by itself: exit code 1; starting it again in 0\.2 s/);
    assert.match(text ?? '', /Error: no PORT/);
    assert.match(text ?? '', /\/state\/cart-0\.log/);
  });

  it('says by which port a gateway is reached when its own was taken', () => {
    const text = describeEvent({
      kind: 'gateway-ready',
      name: 'ingress',
      ports: { '8080': 41_000, '9090': 9_090 },
    });
    assert.equal(
      text,
      'gateway ingress is ready: http://127.0.0.1:41000 (port 8080 was taken), http://127.0.0.1:9090',
    );
  });
});
