import assert from 'node:assert/strict';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RowContext } from '../row-context.js';

/** Enough that a share off by eight points is a fault and not chance (more than five standard deviations at 0.7). */
const CALLS = 900;
const TOLERANCE = 0.08;

/** Which upstreams answered, as shares that must be near those wanted; what is recorded is only that they were. */
async function shares(
  proxy: RowContext,
  target: string,
  wanted: Readonly<Record<string, number>>,
): Promise<Observation> {
  const counts = new Map<string, number>();
  for (let sent = 0; sent < CALLS;) {
    const batch = Math.min(50, CALLS - sent);
    sent += batch;
    const { exchange } = await proxy.exchange(target, {
      answers: batch,
      thenSend: Array.from(
        { length: batch - 1 },
        () => `GET ${target} HTTP/1.1\r\nHost: example.com\r\n\r\n`,
      ),
    });
    for (const { body } of exchange.answers) {
      const name = body.toString().slice(0, 2);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  for (const [name, share] of Object.entries(wanted)) {
    const got = (counts.get(name) ?? 0) / CALLS;
    assert.ok(Math.abs(got - share) < TOLERANCE, `${name}: ${got} of the requests instead of ${share}`);
    if (share === 0) assert.equal(got, 0);
  }
  proxy.received();
  return Object.keys(wanted);
}

/** The answer of one given upstream: the choice is random, what is done for it is not. */
async function whenServedBy(proxy: RowContext, name: string): Promise<Observation> {
  for (let i = 0; i < 400; i++) {
    const { exchange, body } = await proxy.exchange('/each', { headers: [['x-drop', 'me']] });
    const observed = { ...proxy.answered(exchange), ...proxy.received() };
    if (body.startsWith(name)) return observed;
  }
  throw new Error(`${name} never served`);
}

export const weights: ConformanceSuite = {
  file: '04-weights',
  upstreams: ['b1', 'b2', 'b3'],
  rows: [
    {
      title: 'shares of 70, 20 and 10',
      observe: (proxy) => shares(proxy, '/x', { b1: 0.7, b2: 0.2, b3: 0.1 }),
    },
    {
      title: 'a cluster of weight 0 gets nothing',
      observe: (proxy) => shares(proxy, '/none', { b1: 0, b2: 1 }),
    },
    {
      title: 'a quarter by fraction',
      observe: (proxy) => shares(proxy, '/fraction', { b1: 0.25, b2: 0.75 }),
    },
    { title: 'headers of the chosen cluster', observe: (proxy) => whenServedBy(proxy, 'b1') },
    { title: 'headers removed for the chosen cluster', observe: (proxy) => whenServedBy(proxy, 'b2') },
    { title: 'host rewritten for the chosen cluster', observe: (proxy) => whenServedBy(proxy, 'b3') },
  ],
};
