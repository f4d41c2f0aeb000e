import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RateLimitEntryConfig } from '../config/rate-limit-config.js';
import { HeaderMap } from '../http/header-map.js';
import type { RequestHead } from '../http/message-head.js';
import { LocalRateLimiter } from './local-rate-limiter.js';
import { collectDescriptors, descriptorKey } from './request-descriptors.js';
import { TokenBucket } from './token-bucket.js';

describe('TokenBucket', () => {
  it('gives what it holds at once, then what comes back, and never holds more than its size', () => {
    const bucket = new TokenBucket({ maxTokens: 3, fillPerSecond: 2 }, 1000);
    const take = (nowMs: number): boolean => bucket.take(nowMs).allowed;
    assert.deepEqual([1000, 1000, 1000, 1000].map(take), [true, true, true, false]);
    assert.equal(bucket.resetSeconds(1000), 1);
    assert.deepEqual([1499, 1500, 1500].map(take), [false, true, false]);
    assert.equal(bucket.remaining(60_000), 3);
    assert.equal(bucket.resetSeconds(60_000), 0);
    assert.deepEqual([60_000, 60_000, 60_000, 60_000].map(take), [true, true, true, false]);
  });

  it('lets through no more than its size and what came back, whenever requests come', () => {
    const config = fc.record({
      maxTokens: fc.integer({ min: 1, max: 50 }),
      fillPerSecond: fc.constantFrom(0.5, 1, 7, 100),
    });
    fc.assert(
      fc.property(config, fc.array(fc.nat(500), { maxLength: 300 }), (bucketConfig, pauses) => {
        const bucket = new TokenBucket(bucketConfig, 0);
        let nowMs = 0;
        let taken = 0;
        for (const pause of pauses) {
          nowMs += pause;
          if (bucket.take(nowMs).allowed) taken++;
          const most = bucketConfig.maxTokens + (nowMs / 1000) * bucketConfig.fillPerSecond;
          assert.ok(taken <= most + 1e-6, `${taken} of ${most}`);
        }
      }),
    );
  });
});

describe('LocalRateLimiter', () => {
  it('asks the slowest of the buckets of a request first, and that for all last', () => {
    const limiter = new LocalRateLimiter(
      {
        bucket: { maxTokens: 2, fillPerSecond: 100 },
        descriptors: [
          { entries: [['plan', 'free']], bucket: { maxTokens: 5, fillPerSecond: 5 } },
          { entries: [['user', 'bob']], bucket: { maxTokens: 1, fillPerSecond: 1 } },
        ],
        alwaysConsumeDefault: true,
      },
      0,
    );
    const both = [descriptorKey('plan', 'free'), descriptorKey('user', 'bob')];
    assert.equal(limiter.take(both, 0).bucket?.config.maxTokens, 1);
    const refused = limiter.take(both, 0);
    assert.deepEqual([refused.allowed, refused.bucket?.config.fillPerSecond], [false, 1]);
    assert.equal(limiter.take([descriptorKey('plan', 'free')], 0).allowed, true);
    const empty = limiter.take([descriptorKey('plan', 'free')], 0);
    assert.deepEqual([empty.allowed, empty.bucket?.config.fillPerSecond], [false, 100]);
  });

  it('limits nothing where it has no bucket for a request', () => {
    const limiter = new LocalRateLimiter(
      { bucket: undefined, descriptors: [], alwaysConsumeDefault: true },
      0,
    );
    assert.deepEqual(limiter.take(['x'], 0), { allowed: true, bucket: undefined });
  });
});

describe('the descriptors of a request', () => {
  const limit = (...actions: RateLimitEntryConfig['actions']): RateLimitEntryConfig => ({
    stage: 0,
    actions,
  });

  it('are one for each limit all of whose parts are found', () => {
    const entries = [
      limit({ kind: 'request-header', name: 'x-user', key: 'user', skipIfAbsent: false }),
      limit(
        { kind: 'request-header', name: 'x-none', key: 'none', skipIfAbsent: false },
        { kind: 'remote-address' },
      ),
      limit(
        { kind: 'request-header', name: 'x-none', key: 'none', skipIfAbsent: true },
        { kind: 'remote-address' },
      ),
      limit({ kind: 'destination-cluster' }, { kind: 'generic-key', key: 'k', value: 'v' }),
      { stage: 1, actions: [{ kind: 'remote-address' as const }] },
    ];
    assert.deepEqual(descriptorsOf(entries), [
      descriptorKey('user', 'bob'),
      descriptorKey('remote_address', '10.0.0.1'),
      descriptorKey('destination_cluster', 'c') + descriptorKey('k', 'v'),
    ]);
  });
});

function descriptorsOf(entries: readonly RateLimitEntryConfig[]): readonly string[] {
  const headers = new HeaderMap();
  headers.append('x-user', 'bob');
  const head: RequestHead = {
    method: 'GET',
    scheme: 'http',
    authority: 'a',
    path: '/',
    headers,
    version: 'HTTP/1.1',
    upgrade: '',
  };
  const found: string[] = [];
  collectDescriptors(entries, 0, head, { clientIp: '10.0.0.1', clusterName: 'c' }, found);
  return found;
}
