import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { frame, readFrames } from '../../testing/http2-under-test.js';
import { Http2ClientUnderTest } from '../../testing/http2-client-under-test.js';
import { Flag, FrameType } from './frame.js';

const PINGS = { keepaliveIntervalMs: 1000, keepaliveTimeoutMs: 500, keepaliveJitterRatio: 0 };

describe('the pings of a client', () => {
  it('go out at each interval, and a server that does not answer is given up with its requests', async () => {
    const test = started(PINGS);
    const response = test.ask();
    for (let i = 0; i < 3; i++) {
      test.clock.advance(1100);
      const [asked] = pingsOf(test);
      test.receive(frame(FrameType.Ping, Flag.Ack, 0, asked as Buffer));
    }
    test.clock.advance(1100);
    assert.equal(pingsOf(test).length, 1);
    assert.equal(test.socket.destroyed, false);
    test.clock.advance(600);
    assert.equal(test.socket.destroyed, true);
    await once(test.socket, 'close');
    assert.equal(response.reset?.reason, 'connection-termination');
  });

  it('go before a stream on a connection that was silent, and before no other', () => {
    const test = started({ ...PINGS, keepaliveIntervalMs: 0, keepaliveIdleMs: 10_000 });
    test.clock.advance(9000);
    test.ask();
    assert.equal(pingsOf(test).length, 0);
    test.clock.advance(2000);
    test.ask();
    test.ask();
    const [asked, ...more] = pingsOf(test);
    assert.equal(more.length, 0);
    test.receive(frame(FrameType.Ping, Flag.Ack, 0, asked as Buffer));
    test.clock.advance(9000);
    test.ask();
    assert.equal(pingsOf(test).length, 0);
    assert.equal(test.socket.destroyed, false);
    test.clock.advance(2000);
    test.ask();
    test.clock.advance(600);
    assert.equal(test.socket.destroyed, true);
  });

  it('do not go out together where connections were made together', () => {
    const tests = Array.from({ length: 16 }, () => started({ ...PINGS, keepaliveJitterRatio: 0.15 }));
    for (const test of tests) pingsOf(test);
    const at = (ms: number): number => {
      for (const test of tests) test.clock.advance(ms);
      return tests.filter((test) => pingsOf(test).length > 0).length;
    };
    const [early, late] = [at(1100), at(140)];
    assert.ok(early > 0 && early < 16, `${early} at once`);
    assert.equal(early + late, 16);
  });
});

/** A client whose server has begun. */
function started(config: ConstructorParameters<typeof Http2ClientUnderTest>[0]): Http2ClientUnderTest {
  const test = new Http2ClientUnderTest(config);
  test.receive(frame(FrameType.Settings, 0, 0));
  return test;
}

/** The payloads of pings that were written since the last call. */
function pingsOf(test: Http2ClientUnderTest): Buffer[] {
  test.codec.output.flush();
  const text = test.socket.text.replace('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '');
  test.socket.clear();
  return readFrames(Buffer.from(text, 'latin1'))
    .filter(({ type }) => type === FrameType.Ping)
    .map(({ payload }) => payload);
}
