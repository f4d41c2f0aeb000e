import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { envoy, fromJson } from '@heddle/xds-protos';
import fc from 'fast-check';
import { proxyViewOf, viewKey } from './proxy-view.js';

describe('proxyViewOf', () => {
  it('reads a sidecar with explicit ports from its node', () => {
    const result = proxyViewOf(
      nodeOf({
        id: 'sidecar~127.0.0.1~reviews-v1-0.shop~shop.svc.cluster.local',
        metadata: {
          NAMESPACE: 'shop',
          LABELS: { version: 'v1', app: 'reviews' },
          SERVICE_ACCOUNT: 'reviews',
          INTERCEPTION_MODE: 'NONE',
          HEDDLE_ACCESS_LOG: 'access.log',
          HEDDLE_MTLS: 'true',
          HEDDLE_EXPLICIT: {
            inbound: [{ name: 'http', port: 9080, listen: 41001, application: 41002 }],
            outbound: { 'ratings.shop.svc.cluster.local:9080': 41003 },
            httpProxy: 41004,
          },
        },
      }),
    );
    assert.deepEqual(result, {
      ok: true,
      view: {
        role: 'sidecar',
        namespace: 'shop',
        labels: { app: 'reviews', version: 'v1' },
        serviceAccount: 'reviews',
        workloadName: 'reviews-v1-0',
        interception: 'NONE',
        explicit: {
          bindAddress: '127.0.0.1',
          inbound: [{ name: 'http', port: 9080, listen: 41001, application: 41002 }],
          outbound: { 'ratings.shop.svc.cluster.local:9080': 41003 },
          httpProxy: 41004,
          gatewayPorts: {},
        },
        accessLogPath: 'access.log',
        mirrors: false,
        mtls: true,
        systemRootsPath: '/etc/ssl/certs/ca-certificates.crt',
      },
    });
  });

  it('names every mistake of a node', () => {
    const explicit = {
      inbound: [{ name: 'a', listen: 0, application: 5 }],
      outbound: { a: 7, b: 7 },
      httpProxy: 'x',
    };
    const result = proxyViewOf(
      nodeOf({ id: 'thing', metadata: { INTERCEPTION_MODE: 'NONE', HEDDLE_EXPLICIT: explicit } }),
    );
    assert.ok(!result.ok);
    assert.equal(result.problems.length, 4);
  });

  it('never throws, whatever the metadata', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.dictionary(fc.constantFrom('LABELS', 'HEDDLE_EXPLICIT', 'NAMESPACE', '__proto__'), fc.jsonValue()),
        (id, metadata) => {
          const result = proxyViewOf(nodeOf({ id, metadata }));
          if (result.ok) viewKey(result.view);
        },
      ),
    );
  });
});

describe('viewKey', () => {
  it('does not depend on the order of labels', () => {
    const key = (labels: object): string => {
      const result = proxyViewOf(nodeOf({ id: 'sidecar~1~a.b~c', metadata: { LABELS: labels } }));
      assert.ok(result.ok);
      return viewKey(result.view);
    };
    assert.equal(key({ a: '1', b: '2' }), key({ b: '2', a: '1' }));
    assert.notEqual(key({ a: '1' }), key({ a: '2' }));
  });
});

function nodeOf(json: object): envoy.config.core.v3.Node {
  return fromJson(envoy.config.core.v3.Node, json as never, []) as envoy.config.core.v3.Node;
}
