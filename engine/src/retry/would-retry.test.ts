import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RetryConfig } from '../config/route-config.js';
import { HeaderMap } from '../http/header-map.js';
import type { RequestHead, ResponseHead } from '../http/message-head.js';
import { resetIntervalMs } from './reset-interval.js';
import { parseRetryOn, RETRY_ON } from './retry-condition.js';
import { isRetriable, retryPolicyOf } from './retry-overrides.js';
import { wouldRetryFailure, wouldRetryResponse, type AttemptFailure } from './would-retry.js';

const ALL = Object.values(RETRY_ON).reduce((all, bit) => all | bit, 0);
const FAILURES: readonly AttemptFailure[] = [
  'connection-termination',
  'connection-failure',
  'connect-timeout',
  'remote-reset',
  'remote-refused',
  'local-reset',
  'protocol-error',
  'overflow',
];

describe('the conditions of a retry policy', () => {
  it('are read from a list with spaces, and unknown words are told', () => {
    const unknown: string[] = [];
    const conditions = parseRetryOn(' 5xx, reset,,sometimes,toString ', (word) => unknown.push(word));
    assert.equal(conditions, RETRY_ON['5xx'] | RETRY_ON.reset);
    assert.deepEqual(unknown, ['sometimes', 'toString']);
  });

  it('never retry what a limit of ours refused, and never anything when there are none', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: ALL }), fc.boolean(), (conditions, started) => {
        assert.equal(wouldRetryFailure(conditions, 'overflow', started), false);
      }),
    );
    for (const failure of FAILURES) assert.equal(wouldRetryFailure(0, failure, false), false);
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), (status) => {
        assert.equal(wouldRetryResponse(policy(0), response(status)), false);
      }),
    );
  });

  it('of Istio’s defaults never send a request again that an upstream began to read', () => {
    const safe = parseRetryOn('connect-failure,refused-stream,unavailable,cancelled');
    const retried = FAILURES.filter((failure) => wouldRetryFailure(safe, failure, true));
    assert.deepEqual(retried, ['connection-failure', 'connect-timeout', 'remote-refused']);
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), (status) => {
        assert.equal(wouldRetryResponse(policy(safe), response(status)), false);
      }),
    );
  });

  it('leave a rate limiter’s answer alone unless they name it', () => {
    const limited = response(503, { 'x-envoy-ratelimited': 'true' });
    assert.equal(wouldRetryResponse(policy(ALL & ~RETRY_ON['envoy-ratelimited']), limited), false);
    assert.equal(wouldRetryResponse(policy(RETRY_ON['envoy-ratelimited']), limited), true);
  });

  it('look at headers and status together', () => {
    const matching = policy(RETRY_ON['retriable-headers'], {
      retriableHeaders: [
        {
          name: ':status',
          match: { kind: 'range', start: 430, end: 440 },
          invert: false,
          treatMissingAsEmpty: false,
        },
      ],
    });
    assert.equal(wouldRetryResponse(matching, response(431)), true);
    assert.equal(wouldRetryResponse(matching, response(440)), false);
  });
});

describe('the headers of a trusted request', () => {
  it('add to the route’s policy and go no further', () => {
    const head = request({
      'x-envoy-retry-on': '5xx, unavailable',
      'x-envoy-retry-grpc-on': 'cancelled,5xx',
      'x-envoy-max-retries': '7',
      'x-envoy-retriable-status-codes': '418,nonsense,9999',
      'x-envoy-retriable-header-names': 'X-Again, ',
      'x-other': 'stays',
    });
    const found = retryPolicyOf(policy(RETRY_ON.reset), head);
    // Each field has conditions of its own kind.
    assert.equal(found?.conditions, RETRY_ON.reset | RETRY_ON['5xx'] | RETRY_ON.cancelled);
    assert.equal(found?.numRetries, 7);
    assert.deepEqual(found?.retriableStatusCodes, [418]);
    assert.deepEqual(
      found?.retriableHeaders.map(({ name }) => name),
      ['x-again'],
    );
    assert.deepEqual(head.headers.names, ['x-other']);
  });

  it('make a policy where there is none, and none of nothing', () => {
    assert.equal(retryPolicyOf(undefined, request({ 'x-envoy-max-retries': '3' })), undefined);
    assert.equal(retryPolicyOf(undefined, request({ 'x-envoy-retry-on': '5xx' }))?.numRetries, 1);
  });

  it('decide whether the policy is for this request', () => {
    const limited = policy(RETRY_ON['5xx'], {
      retriableRequestHeaders: [
        {
          name: 'x-may',
          match: { kind: 'present', present: true },
          invert: false,
          treatMissingAsEmpty: false,
        },
      ],
    });
    assert.equal(isRetriable(limited, request({})), false);
    assert.equal(isRetriable(limited, request({ 'x-may': '' })), true);
    assert.equal(isRetriable(policy(1), request({})), true);
  });
});

describe('the wait that a response asks for', () => {
  const headers = (fields: Record<string, string>): HeaderMap => response(429, fields).headers;
  const asked = [
    { name: 'retry-after', format: 'seconds' },
    { name: 'x-reset', format: 'unix-timestamp' },
  ] as const;

  it('is read in seconds or as a moment, within its bound', () => {
    assert.equal(resetIntervalMs(asked, 60_000, headers({ 'retry-after': '3' }), 0), 3000);
    assert.equal(resetIntervalMs(asked, 60_000, headers({ 'x-reset': '1005' }), 1_000_000), 5000);
    assert.equal(
      resetIntervalMs(asked, 60_000, headers({ 'retry-after': '61', 'x-reset': '10' }), 5_000),
      5000,
    );
  });

  it('is not there when the headers say nothing sensible', () => {
    for (const value of ['', '-1', '1.5', 'soon', '0', '9'.repeat(30)]) {
      assert.equal(resetIntervalMs(asked, 60_000, headers({ 'retry-after': value }), 0), undefined, value);
    }
    assert.equal(resetIntervalMs(asked, 60_000, headers({ 'x-reset': '999' }), 1_000_000), undefined);
  });
});

function policy(conditions: number, more: Partial<RetryConfig> = {}): RetryConfig {
  return {
    conditions,
    numRetries: 1,
    perTryTimeoutMs: 0,
    perTryIdleTimeoutMs: 0,
    retriableStatusCodes: [],
    retriableHeaders: [],
    retriableRequestHeaders: [],
    backOffBaseMs: 25,
    backOffMaxMs: 250,
    rateLimitedBackOff: undefined,
    hostSelectionRetryMaxAttempts: 1,
    avoidPreviousHosts: false,
    ...more,
  };
}

function headerMap(fields: Record<string, string>): HeaderMap {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  return headers;
}

function response(status: number, fields: Record<string, string> = {}): ResponseHead {
  return { status, headers: headerMap(fields), upgrade: '' };
}

function request(fields: Record<string, string>): RequestHead {
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'a',
    path: '/',
    headers: headerMap(fields),
    version: 'HTTP/1.1',
    upgrade: '',
  };
}
