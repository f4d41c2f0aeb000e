import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { resourceNames, type ClusterNameParts, type RouteNameParts } from './resource-names.js';

const port = fc.nat({ max: 65535 });
const filled = fc.string({ minLength: 1, maxLength: 12 });
const without = (separators: readonly string[], least = 1) =>
  fc
    .oneof(
      fc.string({ minLength: least, maxLength: 12 }),
      fc.constantFrom('reviews.default.svc.cluster.local', '_x_', '.a', 'a_'),
    )
    .filter((text) => !separators.some((separator) => text.includes(separator)));
const dnsName = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?(\.[a-z0-9]{1,5}){0,3}$/);
const anyText = fc.oneof(
  fc.string(),
  fc.stringMatching(/^(outbound|inbound|http|https|)[|._:/]?(0|80|08|65536|)[|._:/]?[a|.:_/]{0,5}$/),
);

/** Both laws: what was built parses back, and what parses builds the same name again. */
function checkLaws<Parts extends object>(
  parts: fc.Arbitrary<Parts>,
  build: (parts: Parts) => string,
  parse: (name: string) => Parts | undefined,
): void {
  fc.assert(
    fc.property(parts, (value) => assert.deepEqual({ ...parse(build(value)) }, { ...value })),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(anyText, (name) => {
      const parsed = parse(name);
      if (parsed !== undefined) assert.equal(build(parsed), name);
    }),
    { numRuns: 2000 },
  );
}

const direction = fc.constantFrom('outbound', 'inbound', 'inbound-vip') satisfies fc.Arbitrary<string>;

describe('cluster names', () => {
  it("have Istio's form", () => {
    const parts: ClusterNameParts = {
      direction: 'outbound',
      port: 9080,
      subset: 'v1',
      host: 'reviews.default.svc.cluster.local',
    };
    assert.equal(resourceNames.clusterName(parts), 'outbound|9080|v1|reviews.default.svc.cluster.local');
    assert.equal(
      resourceNames.clusterServerName(parts),
      'outbound_.9080_.v1_.reviews.default.svc.cluster.local',
    );
    assert.deepEqual(resourceNames.parseClusterName('inbound|9080||'), {
      direction: 'inbound',
      port: 9080,
      subset: '',
      host: '',
    });
  });

  it('round-trip', () => {
    const part = without(['|'], 0);
    const { clusterName, parseClusterName } = resourceNames;
    checkLaws(fc.record({ direction, port, subset: part, host: part }), clusterName, parseClusterName);
  });

  it('round-trip as server names, for the DNS names that can stand there', () => {
    const { clusterServerName, parseClusterServerName } = resourceNames;
    const subset = fc.oneof(fc.constant(''), dnsName);
    checkLaws(
      fc.record({ direction, port, subset, host: dnsName }),
      clusterServerName,
      parseClusterServerName,
    );
  });

  it('are undefined for any other text', () => {
    for (const name of [
      '',
      'outbound',
      'outbound|80|a',
      'outbound|80|a|b|c',
      'sideways|80||',
      'outbound|080||',
      'outbound|65536||',
      'outbound|+1||',
    ])
      assert.equal(resourceNames.parseClusterName(name), undefined, name);
  });

  it('are not built from parts that they cannot carry', () => {
    const parts = { direction: 'outbound', port: 80, subset: '', host: 'a' } as const;
    assert.throws(() => resourceNames.clusterName({ ...parts, subset: 'a|b' }), RangeError);
    assert.throws(() => resourceNames.clusterName({ ...parts, port: 65536 }), RangeError);
    assert.throws(() => resourceNames.clusterName({ ...parts, port: 1.5 }), RangeError);
    assert.equal(resourceNames.isNamePart('a|b'), false);
    assert.equal(resourceNames.isNamePart('v1'), true);
  });
});

describe('route configuration names', () => {
  it('round-trip for every place where they are used', () => {
    const part = (separators: readonly string[]) => without(['|', ':', ...separators]);
    const parts: fc.Arbitrary<RouteNameParts> = fc.oneof(
      fc.record({ kind: fc.constant('outbound-port' as const), port }),
      fc.record({ kind: fc.constant('outbound-host' as const), host: without(['|']), port }),
      fc.record({ kind: fc.constant('inbound' as const), port }),
      fc.record({ kind: fc.constant('gateway-http' as const), port }),
      fc.record({
        kind: fc.constant('gateway-https' as const),
        port,
        portName: part(['.']),
        gateway: part([]),
        namespace: part(['.']),
      }),
    );
    checkLaws(parts, resourceNames.routeConfigurationName, resourceNames.parseRouteConfigurationName);
  });

  it("have Istio's forms", () => {
    const { routeConfigurationName } = resourceNames;
    assert.equal(routeConfigurationName({ kind: 'outbound-port', port: 9080 }), '9080');
    assert.equal(routeConfigurationName({ kind: 'inbound', port: 9080 }), 'inbound|9080||');
    assert.equal(routeConfigurationName({ kind: 'gateway-http', port: 8080 }), 'http.8080');
    const parts = {
      kind: 'gateway-https',
      port: 443,
      portName: 'https',
      gateway: 'gw',
      namespace: 'ns',
    } as const;
    assert.equal(routeConfigurationName(parts), 'https.443.https.gw.ns');
  });
});

describe('listener, virtual host and VHDS names', () => {
  it('round-trip', () => {
    const { listenerName, parseListenerName, virtualHostName, parseVirtualHostName } = resourceNames;
    checkLaws(fc.record({ address: filled, port }), listenerName, parseListenerName);
    checkLaws(
      fc.record({ host: filled, port }),
      ({ host, port }) => virtualHostName(host, port),
      parseVirtualHostName,
    );
    const { virtualHostResourceName, parseVirtualHostResourceName } = resourceNames;
    checkLaws(
      fc.record({ routeConfiguration: filled, domain: without(['/']) }),
      virtualHostResourceName,
      parseVirtualHostResourceName,
    );
    assert.equal(listenerName({ address: '0.0.0.0', port: 9080 }), '0.0.0.0_9080');
  });
});
