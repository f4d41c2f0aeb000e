import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSeededRandom } from '@heddle/common';
import { HeaderMap } from '../../http/header-map.js';
import type { RequestHead } from '../../http/message-head.js';
import type { FaultConfig } from './config.js';
import { decideFault } from './decide-fault.js';

describe('decideFault', () => {
  it('touches the configured share of requests', () => {
    const random = createSeededRandom(5);
    const config: FaultConfig = { ...NOTHING, abort: { source: { kind: 'http', status: 503 }, ratio: 0.1 } };
    let aborted = 0;
    for (let i = 0; i < 10_000; i++) {
      if (decideFault(config, headOf({}), 'a', random).abort !== undefined) aborted++;
    }
    assert.ok(Math.abs(aborted - 1000) < 120, String(aborted));
  });

  it('leaves alone other clusters, other callers and headers that do not match', () => {
    const config: FaultConfig = {
      ...NOTHING,
      delay: { source: { kind: 'fixed', delayMs: 5 }, ratio: 1 },
      upstreamCluster: 'a',
      downstreamNodes: ['n'],
      headers: [
        {
          name: 'x-user',
          match: { kind: 'present', present: true },
          invert: false,
          treatMissingAsEmpty: false,
        },
      ],
    };
    const full = { 'x-envoy-downstream-service-node': 'n', 'x-user': 'bob' };
    const delay = (fields: Record<string, string>, cluster: string): number =>
      decideFault(config, headOf(fields), cluster, () => 0).delayMs;
    assert.equal(delay(full, 'a'), 5);
    assert.equal(delay(full, 'b'), 0);
    assert.equal(delay({ 'x-user': 'bob' }, 'a'), 0);
    assert.equal(delay({ 'x-envoy-downstream-service-node': 'n' }, 'a'), 0);
  });

  it('lets headers choose the fault and lower, never raise, its share', () => {
    const config: FaultConfig = {
      ...NOTHING,
      delay: { source: { kind: 'header' }, ratio: 0.5 },
      abort: { source: { kind: 'header' }, ratio: 0.5 },
    };
    const decide = (fields: Record<string, string>, chance: number): unknown =>
      decideFault(config, headOf(fields), 'a', () => chance);
    assert.deepEqual(
      decide({ 'x-envoy-fault-delay-request': '20', 'x-envoy-fault-abort-request': '418' }, 0.4),
      {
        delayMs: 20,
        abort: { kind: 'http', status: 418 },
      },
    );
    const none = { delayMs: 0, abort: undefined };
    const percent = (value: string): Record<string, string> => ({
      'x-envoy-fault-abort-request': '500',
      'x-envoy-fault-abort-request-percentage': value,
    });
    assert.deepEqual(decide(percent('100'), 0.6), none);
    assert.deepEqual(decide(percent('10'), 0.2), none);
    assert.deepEqual(decide({ 'x-envoy-fault-abort-request': '99' }, 0), none);
    assert.deepEqual(decide({ 'x-envoy-fault-delay-request': 'soon' }, 0), none);
    assert.deepEqual(decide({}, 0), none);
  });
});

const NOTHING: FaultConfig = {
  delay: undefined,
  abort: undefined,
  headers: [],
  upstreamCluster: '',
  downstreamNodes: [],
  maxActiveFaults: undefined,
};

function headOf(fields: Record<string, string>): RequestHead {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'a',
    path: '/',
    headers,
    version: 'HTTP/1.1',
    upgrade: '',
  };
}
