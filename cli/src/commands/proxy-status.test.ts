import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { proxyTable } from './proxy-status.js';

const typeUrl = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

describe('proxyTable', () => {
  it('has a row a proxy, ordered by name, and a line for what one refused', () => {
    const proxy = {
      role: 'sidecar',
      namespace: 'default',
      workload: 'web',
      version: 'heddle-proxy 0.1.0',
      protocol: 'delta',
    };
    const lines = proxyTable([
      { ...proxy, id: 'sidecar~127.0.0.1~web-1.default~x', types: [{ typeUrl, state: 'synced' }] },
      {
        ...proxy,
        id: 'sidecar~127.0.0.1~web-0.default~x',
        types: [{ typeUrl, state: 'nacked', nack: 'cluster "a": no name' }],
      },
    ]);
    assert.match(lines[0] ?? '', /^NAME +ROLE +CDS +EDS +LDS +RDS +XDS +VERSION$/);
    assert.match(lines[1] ?? '', /^web-0\.default +sidecar +nacked +- +- +- +delta +heddle-proxy 0\.1\.0$/);
    assert.match(lines[2] ?? '', /^web-1\.default .*synced/);
    assert.equal(lines[3], 'web-0.default refused: cluster "a": no name');
  });
});
