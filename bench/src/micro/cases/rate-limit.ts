import { collectDescriptors, LocalRateLimiter, TokenBucket, type RateLimitEntryConfig } from '@heddle/engine';
import type { MicroCase } from '../micro-case.js';
import { exampleHead } from './request-head.js';

const MUCH = { maxTokens: 4_000_000_000, fillPerSecond: 1_000_000_000 };

/** Asking the token buckets for one request. */
export const rateLimit: readonly MicroCase[] = [
  {
    name: 'rate limit: one bucket',
    create() {
      const bucket = new TokenBucket(MUCH, 0);
      return (count) => {
        let allowed = 0;
        for (let i = 0; i < count; i++) if (bucket.take(i).allowed) allowed++;
        return allowed;
      };
    },
  },
  {
    name: 'rate limit: a descriptor by a header among ten, and the bucket for all',
    create() {
      const descriptors = Array.from({ length: 10 }, (_, i) => ({
        entries: [['theme', `value-${i}`] as const],
        bucket: MUCH,
      }));
      const limiter = new LocalRateLimiter({ bucket: MUCH, descriptors, alwaysConsumeDefault: true }, 0);
      const limits: RateLimitEntryConfig[] = [
        {
          stage: 0,
          actions: [{ kind: 'request-header', name: 'x-theme', key: 'theme', skipIfAbsent: false }],
        },
      ];
      const head = exampleHead('shop.example.org', '/cart');
      head.headers.append('x-theme', 'value-7');
      const source = { clientIp: '10.0.0.1', clusterName: 'cart' };
      return (count) => {
        let allowed = 0;
        for (let i = 0; i < count; i++) {
          const found: string[] = [];
          collectDescriptors(limits, 0, head, source, found);
          if (limiter.take(found, i).allowed) allowed++;
        }
        return allowed;
      };
    },
  },
];
