import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PROXY_NODE_FLAGS, proxyEnvironment, proxyNodeFlags } from './proxy-node-flags.js';

describe('what Node runs heddle-proxy with', () => {
  it('leaves an OpenSSL configuration that somebody gave as it is', () => {
    const ours = proxyNodeFlags({});
    assert.equal(ours.length, PROXY_NODE_FLAGS.length + 1);
    assert.deepEqual(proxyNodeFlags({ OPENSSL_CONF: 'fips.cnf' }), PROXY_NODE_FLAGS);
    assert.deepEqual(proxyNodeFlags({ NODE_OPTIONS: '--openssl-shared-config' }), PROXY_NODE_FLAGS);
    assert.deepEqual(proxyNodeFlags({}, ['--openssl-config=own.cnf']), PROXY_NODE_FLAGS);
    assert.deepEqual(proxyNodeFlags({ OPENSSL_CONF: '' }), ours);
  });

  it('has as many arenas of memory as threads that serve, unless somebody says how many', () => {
    assert.deepEqual(proxyEnvironment({ HOME: '/root' }), { HOME: '/root', MALLOC_ARENA_MAX: '1' });
    assert.equal(proxyEnvironment({}, 4).MALLOC_ARENA_MAX, '4');
    assert.equal(proxyEnvironment({ MALLOC_ARENA_MAX: '8' }, 4).MALLOC_ARENA_MAX, '8');
  });
});
