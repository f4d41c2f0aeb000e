import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FILTER_DISABLED } from '../http-filter.js';
import type { CorsPolicyConfig } from './config.js';
import { effectiveCorsPolicy } from './effective-cors-policy.js';

describe('the CORS policy of a request', () => {
  it('is of each level what no more specific one says', () => {
    const route = policy({ allowMethods: 'GET', allowCredentials: false, enabledRatio: 0.5 });
    const host = policy({ allowMethods: 'PUT', maxAge: '60', allowCredentials: true, enabledRatio: 1 });
    const allowOrigins = [{ kind: 'exact', value: 'https://a.example', ignoreCase: false }] as const;
    const table = policy({ allowOrigins, exposeHeaders: 'x-id', forwardNotMatchingPreflights: false });
    const joined = effectiveCorsPolicy([route, host, table]);
    assert.deepEqual(joined, {
      enabledRatio: 0.5,
      allowOrigins,
      allowMethods: 'GET',
      allowHeaders: '',
      exposeHeaders: 'x-id',
      maxAge: '60',
      allowCredentials: false,
      allowPrivateNetworkAccess: undefined,
      forwardNotMatchingPreflights: false,
    });
    assert.equal(effectiveCorsPolicy([route, host, table]), joined);
    const changed = policy({ exposeHeaders: 'x-other' });
    assert.equal(effectiveCorsPolicy([route, host, changed])?.exposeHeaders, 'x-other');
  });

  it('is that of the only level that has one', () => {
    const only = policy({ maxAge: '1' });
    assert.equal(effectiveCorsPolicy([only, FILTER_DISABLED]), only);
    assert.equal(effectiveCorsPolicy([]), undefined);
  });
});

function policy(parts: Partial<CorsPolicyConfig>): CorsPolicyConfig {
  return {
    enabledRatio: 1,
    allowOrigins: [],
    allowMethods: '',
    allowHeaders: '',
    exposeHeaders: '',
    maxAge: '',
    allowCredentials: undefined,
    allowPrivateNetworkAccess: undefined,
    forwardNotMatchingPreflights: undefined,
    ...parts,
  };
}
