import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { envoy, fromJson } from '@heddle/xds-protos';
import { requireSpiffeId } from '@heddle/certs';
import fc from 'fast-check';
import { adminAddressOf, proxyViewOf, viewKey } from './proxy-view.js';

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
        istioFilters: false,
        mtls: true,
        systemRootsPath: '',
      },
    });
  });

  it('reads a sidecar into which connections are led, as Istio tells it, and what we tell beside that', () => {
    const captured = (metadata: object): unknown => {
      const result = proxyViewOf(nodeOf({ id: 'sidecar~10.0.0.7~a.b~c', metadata }));
      assert.ok(result.ok);
      return [result.view.interception, result.view.explicit, result.view.captured];
    };
    const nothing = { applicationAddress: '', ports: [], ipv6: false };
    assert.deepEqual(captured({}), ['REDIRECT', undefined, nothing]);
    assert.deepEqual(captured({ INTERCEPTION_MODE: 'TPROXY', INSTANCE_IPS: '10.0.0.7,fd00::7' }), [
      'TPROXY',
      undefined,
      { ...nothing, ipv6: true },
    ]);
    const told = { applicationAddress: '127.0.0.1', ports: [{ name: 'http', port: 9080 }] };
    assert.deepEqual(captured({ HEDDLE_CAPTURED: told }), ['REDIRECT', undefined, { ...told, ipv6: false }]);
    const wrong = proxyViewOf(
      nodeOf({ id: 'sidecar~1~a.b~c', metadata: { HEDDLE_CAPTURED: { ports: [{ port: 0 }] } } }),
    );
    assert.ok(!wrong.ok);
    assert.match(wrong.problems.join(), /HEDDLE_CAPTURED\.ports\[0\]\.port: expected a port number/);
  });

  it('takes a proxy for capable of mutual TLS that says so or names its identity', () => {
    const mtls = (metadata: object): boolean => {
      const result = proxyViewOf(nodeOf({ id: 'sidecar~1~a.b~c', metadata }));
      assert.ok(result.ok);
      return result.view.mtls;
    };
    assert.equal(mtls({}), false);
    assert.equal(mtls({ HEDDLE_MTLS: true }), true);
    assert.equal(mtls({ HEDDLE_MTLS: 'false', HEDDLE_IDENTITY: 'spiffe://a/ns/b/sa/c' }), false);
    assert.equal(mtls({ HEDDLE_IDENTITY: 'spiffe://a/ns/b/sa/c' }), true);
  });

  it('takes a proxy to speak HBONE that says so and has an identity, at addresses that are its own', () => {
    const tunnels = (metadata: object, id = 'sidecar~10.0.0.7~a.b~c'): unknown => {
      const hbone = { ENABLE_HBONE: 'true', HEDDLE_MTLS: 'true' };
      const result = proxyViewOf(nodeOf({ id, metadata: { ...hbone, ...metadata } }));
      assert.ok(result.ok);
      return result.view.tunnels;
    };
    assert.deepEqual(tunnels({}), { port: 15_008, addresses: ['10.0.0.7'] });
    assert.deepEqual(tunnels({ INSTANCE_IPS: '10.0.0.7,fd00::7' }), {
      port: 15_008,
      addresses: ['10.0.0.7', 'fd00::7'],
    });
    assert.equal(tunnels({ HEDDLE_MTLS: 'false' }), undefined);
    assert.equal(tunnels({ ENABLE_HBONE: 'false' }), undefined);
    // Whoever has none might be led anywhere.
    assert.deepEqual(tunnels({}, 'sidecar~~a.b~c'), { port: 0, addresses: [] });
    assert.deepEqual(tunnels({}, 'router~10.0.0.7~a.b~c'), { port: 0, addresses: [] });
    const explicit = (hbone: object): object => ({ INTERCEPTION_MODE: 'NONE', HEDDLE_EXPLICIT: hbone });
    assert.deepEqual(tunnels(explicit({})), { port: 0, addresses: ['10.0.0.7', '127.0.0.1'] });
    assert.deepEqual(tunnels(explicit({ hbone: 41_005 }), 'sidecar~127.0.0.1~a.b~c'), {
      port: 41_005,
      addresses: ['127.0.0.1'],
    });
    const anywhere = explicit({ hbone: 41_005, bindAddress: '0.0.0.0' });
    assert.deepEqual(tunnels(anywhere), { port: 41_005, addresses: ['10.0.0.7'] });
    assert.deepEqual(tunnels(anywhere, 'sidecar~~a.b~c'), { port: 0, addresses: [] });
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

describe('proxyViewOf for a proxy with an identity', () => {
  const reviews = requireSpiffeId('spiffe://cluster.local/ns/shop/sa/reviews');
  const id = 'sidecar~1~reviews-0.shop~x';

  it('takes from the identity what the node leaves out', () => {
    const result = proxyViewOf(nodeOf({ id: 'sidecar~1~reviews-0~x' }), reviews);
    assert.ok(result.ok);
    const { namespace, serviceAccount, identity } = result.view;
    assert.deepEqual([namespace, serviceAccount, identity], ['shop', 'reviews', reviews.uri]);
  });

  it('takes a node that says the same', () => {
    const metadata = { NAMESPACE: 'shop', SERVICE_ACCOUNT: 'reviews' };
    assert.ok(proxyViewOf(nodeOf({ id, metadata }), reviews).ok);
  });

  it('refuses a node of another namespace or service account, and tells each', () => {
    for (const [node, count] of [
      [{ id: 'sidecar~1~a.other~x' }, 1],
      [{ id, metadata: { NAMESPACE: 'other' } }, 1],
      [{ id, metadata: { SERVICE_ACCOUNT: 'root' } }, 1],
      [{ id: 'sidecar~1~a.other~x', metadata: { SERVICE_ACCOUNT: 'root' } }, 2],
    ] as const) {
      const result = proxyViewOf(nodeOf(node), reviews);
      assert.ok(!result.ok && result.isForeign);
      assert.equal(result.problems.length, count);
      assert.match(
        result.problems[0] ?? '',
        /has proven to be spiffe:\/\/cluster\.local\/ns\/shop\/sa\/reviews/,
      );
    }
  });

  it('refuses an identity that is no service account', () => {
    const result = proxyViewOf(nodeOf({ id }), requireSpiffeId('spiffe://cluster.local/vm/7'));
    assert.ok(!result.ok && result.isForeign);
  });

  it('is another view than that of a proxy that only says so', () => {
    const node = nodeOf({ id, metadata: { SERVICE_ACCOUNT: 'reviews' } });
    const keys = [proxyViewOf(node), proxyViewOf(node, reviews)].map(
      (result) => result.ok && viewKey(result.view),
    );
    assert.notEqual(keys[0], keys[1]);
  });
});

describe('the admin server of a proxy', () => {
  const of = (admin: unknown, peer: string): unknown =>
    adminAddressOf(nodeOf({ id: 'sidecar~1~a.b~c', metadata: { HEDDLE_ADMIN: admin } }), peer);

  it('is where the proxy itself is', () => {
    assert.deepEqual(of('127.0.0.1:15000', 'ipv4:127.0.0.1:40000'), { host: '127.0.0.1', port: 15_000 });
    assert.deepEqual(of('10.1.2.3:15000', '10.1.2.3:40000'), { host: '10.1.2.3', port: 15_000 });
    assert.deepEqual(of('[::1]:15000', '[::1]:40000'), { host: '::1', port: 15_000 });
  });

  it('is never elsewhere, whatever its node says', () => {
    for (const said of [
      '10.9.9.9:80',
      '169.254.169.254:80',
      'metadata.internal:80',
      '127.0.0.1:0',
      ':80',
      7,
    ]) {
      assert.equal(of(said, 'ipv4:10.1.2.3:40000'), undefined, String(said));
    }
    assert.equal(of('127.0.0.1:8080', 'ipv4:10.1.2.3:40000'), undefined, "heddled's own machine");
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
