import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PodInjectionError } from './errors.js';
import { createInjectorConfig, type InjectorOptions } from './injector-config.js';
import { applyJsonPatch } from './json-patch.js';
import { type Container, type Pod, type Probe } from './kubernetes-pod.js';
import { injectPod } from './pod-patch.js';
import { HOLD_COMMAND } from './sidecar-containers.js';

describe('injectPod', () => {
  it('gives a patch that makes the same pod, and does not change the one it was given', () => {
    fc.assert(
      fc.property(pods, configs, (pod, options) => {
        const before = structuredClone(pod);
        const { pod: injected, patch, skipped } = injectPod(pod, createInjectorConfig(options));
        assert.equal(skipped, undefined);
        assert.ok(patch.length > 0);
        assert.deepEqual(pod, before);
        assert.deepEqual(applyJsonPatch(pod, patch), injected);
      }),
    );
  });

  it('gives the same for the same, and nothing for what it gave', () => {
    fc.assert(
      fc.property(pods, configs, (pod, options) => {
        const config = createInjectorConfig(options);
        const first = injectPod(pod, config);
        assert.deepEqual(injectPod(structuredClone(pod), config), first);
        const again = injectPod(first.pod, config);
        assert.equal(again.skipped?.reason, 'already-injected');
        assert.deepEqual(again.patch, []);
        assert.equal(again.pod, first.pod);
      }),
    );
  });

  it('has the sidecar speak HBONE, and others know of it, where the mesh or the pod asks for that', () => {
    const speaks = (hbone: boolean, annotation?: string): readonly [boolean, string | undefined] => {
      const proxyConfig =
        annotation === undefined
          ? {}
          : { 'proxy.istio.io/config': `proxyMetadata: { ISTIO_META_ENABLE_HBONE: "${annotation}" }` };
      const pod: Pod = { metadata: { annotations: proxyConfig }, spec: { containers: [{ name: 'app' }] } };
      const { pod: injected, warnings } = injectPod(pod, createInjectorConfig({ image: 'heddle', hbone }));
      assert.deepEqual(warnings, []);
      return [
        JSON.stringify(injected.spec).includes('ENABLE_HBONE'),
        injected.metadata?.labels?.['networking.istio.io/tunnel'],
      ];
    };
    assert.deepEqual(speaks(false), [false, undefined]);
    assert.deepEqual(speaks(true), [true, 'http']);
    assert.deepEqual(speaks(false, 'true'), [true, 'http']);
    assert.deepEqual(speaks(true, 'false'), [false, undefined]);
  });

  it('loses nothing of the pod: what it changes, the sidecar is told', () => {
    fc.assert(
      fc.property(pods, configs, (pod, options) => {
        const { pod: injected } = injectPod(pod, createInjectorConfig(options));
        const told = sidecarEnvironment(injected);
        const appProbes = JSON.parse(told.get('HEDDLE_APP_PROBES') ?? '{}') as Record<string, unknown>;
        for (const list of ['containers', 'initContainers'] as const) {
          for (const container of pod.spec[list] ?? []) {
            const after = (injected.spec[list] ?? []).find(({ name }) => name === container.name);
            assert.ok(after, container.name);
            assertCarried(container, after, appProbes);
          }
          const kept = (pod.spec[list] ?? []).map(({ name }) => name);
          const order = (injected.spec[list] ?? [])
            .map(({ name }) => name)
            .filter((name) => kept.includes(name));
          assert.deepEqual(order, kept, 'the order stays');
        }
        const { containers: _c, initContainers: _i, volumes = [], ...rest } = pod.spec;
        for (const [name, value] of Object.entries(rest)) assert.deepEqual(injected.spec[name], value, name);
        assert.deepEqual(injected.spec.volumes?.slice(0, volumes.length), volumes);
        assertAnnotations(pod, injected, told);
        for (const [name, value] of Object.entries(pod.metadata?.labels ?? {})) {
          assert.equal(injected.metadata?.labels?.[name], value);
        }
      }),
    );
  });

  it('never throws anything but a PodInjectionError, whatever it is given', () => {
    const config = createInjectorConfig({ image: 'x' });
    const field = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(null, '', 'x', 0, 1337, -1, true));
    const shapes = fc.record(
      {
        metadata: fc.oneof(
          field,
          fc.record(
            { labels: field, annotations: field, ownerReferences: field, name: field, namespace: field },
            { requiredKeys: [] },
          ),
        ),
        spec: fc.oneof(
          field,
          fc.record(
            {
              containers: fc.oneof(
                field,
                fc.array(
                  fc.record(
                    {
                      name: field,
                      ports: field,
                      livenessProbe: fc.oneof(
                        field,
                        fc.record(
                          { httpGet: field, grpc: field, timeoutSeconds: field },
                          { requiredKeys: [] },
                        ),
                      ),
                      lifecycle: fc.oneof(field, fc.record({ preStop: field })),
                      securityContext: field,
                    },
                    { requiredKeys: [] },
                  ),
                  { maxLength: 3 },
                ),
              ),
              initContainers: field,
              volumes: field,
              securityContext: field,
              terminationGracePeriodSeconds: field,
              imagePullSecrets: field,
              os: field,
            },
            { requiredKeys: [] },
          ),
        ),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(field, shapes), (value) => {
        try {
          const { pod, patch } = injectPod(value, config);
          assert.deepEqual(applyJsonPatch(value, patch), pod);
        } catch (error) {
          assert.ok(error instanceof PodInjectionError, String((error as Error).stack));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('takes no annotation that would be an argument or a rule of its own', () => {
    const config = createInjectorConfig({ image: 'x' });
    fc.assert(
      fc.property(
        fc.constantFrom(
          'traffic.sidecar.istio.io/excludeInterfaces',
          'traffic.sidecar.istio.io/excludeOutboundPorts',
          'traffic.sidecar.istio.io/includeOutboundIPRanges',
          'heddle.dev/exclude-outbound-uids',
        ),
        fc.string({ maxLength: 20 }),
        (name, value) => {
          let injected: Pod;
          try {
            injected = injectPod(podWith({ metadata: { annotations: { [name]: value } } }), config).pod;
          } catch (error) {
            assert.ok(error instanceof PodInjectionError);
            assert.match(error.message, new RegExp(name));
            return;
          }
          const args = containerOf(injected, 'heddle-init')['args'] as readonly string[];
          for (const arg of args.slice(1)) assert.match(arg, /^--[a-z0-9-]+(=[A-Za-z0-9:.,/ *_-]*)?$/);
        },
      ),
    );
  });

  it('runs the sidecar as a user without rights, and the rules with the two that they need', () => {
    const { pod } = injectPod(podWith({}), createInjectorConfig({ image: 'x' }));
    const proxy = containerOf(pod, 'heddle-proxy').securityContext ?? {};
    const init = containerOf(pod, 'heddle-init').securityContext ?? {};
    for (const context of [proxy, init]) {
      assert.equal(context['allowPrivilegeEscalation'], false);
      assert.equal(context['privileged'], false);
      assert.equal(context['readOnlyRootFilesystem'], true);
      assert.deepEqual(context['seccompProfile'], { type: 'RuntimeDefault' });
    }
    assert.deepEqual([proxy.runAsUser, proxy.runAsGroup, proxy['runAsNonRoot']], [1337, 1337, true]);
    assert.deepEqual(proxy['capabilities'], { drop: ['ALL'] });
    assert.deepEqual(init['capabilities'], { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] });
  });

  it('ends before the kubelet kills, however short the grace period is', () => {
    const config = createInjectorConfig({ image: 'x', drainSeconds: 40 });
    const expected: readonly (readonly [number | undefined, number])[] = [
      [undefined, 25],
      [120, 40],
      [45, 40],
      [30, 25],
      [10, 9],
      [1, 1],
      [0, 1],
    ];
    for (const [grace, drain] of expected) {
      const spec = { containers: [{ name: 'web' }] };
      const pod = podWith({
        spec: grace === undefined ? spec : { ...spec, terminationGracePeriodSeconds: grace },
      });
      const args = containerOf(injectPod(pod, config).pod, 'heddle-proxy')['args'] as readonly string[];
      assert.equal(args[args.indexOf('--drain-time-s') + 1], String(drain), `grace ${grace}`);
      assert.equal(injectPod(pod, config).pod.spec.terminationGracePeriodSeconds, grace);
    }
  });

  it('finds the workload behind the controller', () => {
    const expected: readonly (readonly [string, string, Readonly<Record<string, string>>, string])[] = [
      ['ReplicaSet', 'web-5d4', { 'pod-template-hash': '5d4' }, 'deployments/web'],
      ['ReplicaSet', 'web', {}, 'replicasets/web'],
      ['Job', 'report-28512345', {}, 'cronjobs/report'],
      ['Job', 'migrate', {}, 'jobs/migrate'],
      ['ReplicationController', 'web-3', { deploymentconfig: 'web' }, 'deploymentconfigs/web'],
      ['StatefulSet', 'db', {}, 'statefulsets/db'],
    ];
    for (const [kind, name, labels, path] of expected) {
      const ownerReferences = [{ apiVersion: 'apps/v1', kind, name, controller: true }];
      const { pod } = injectPod(
        podWith({ metadata: { generateName: `${name}-`, labels, ownerReferences } }),
        createInjectorConfig({ image: 'x' }),
      );
      assert.ok(sidecarEnvironment(pod).get('HEDDLE_OWNER')?.endsWith(`/${path}`), `${kind} ${name}`);
    }
  });

  it('refuses what would not fit into an environment variable', () => {
    const httpGet = { path: `/${'x'.repeat(100_000)}`, port: 80 };
    const pod = podWith({ spec: { containers: [{ name: 'web', readinessProbe: { httpGet } }] } });
    assert.throws(() => injectPod(pod, createInjectorConfig({ image: 'x' })), /HEDDLE_APP_PROBES .*longer/);
  });
});

describe('createInjectorConfig', () => {
  it('names every problem at once', () => {
    const options = {
      image: 'not an image',
      revision: '',
      drainSeconds: 0,
      controlPlane: { host: 'a b', port: 0, tls: true },
      token: { audience: '', expirationSeconds: 10 },
      resources: { requests: { cpu: '2', memory: 'x' }, limits: { cpu: '1' } },
      interception: { excludeInboundPorts: 'http' },
    };
    assert.throws(
      () => createInjectorConfig(options),
      (error: unknown) => {
        assert.equal((error as { problems: readonly string[] }).problems.length, 10);
        return true;
      },
    );
  });
});

describe('the command that holds the application back', () => {
  it('ends well as soon as the sidecar is ready, and not before', async () => {
    let asked = 0;
    const server = createServer((_, response) => {
      response.statusCode = ++asked < 3 ? 503 : 200;
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const [, ...args] = HOLD_COMMAND;
    const child = spawn(process.execPath, [...args.slice(0, -1), String(port)], { stdio: 'ignore' });
    const [code] = (await once(child, 'exit')) as [number];
    server.close();
    assert.equal(code, 0);
    assert.equal(asked, 3);
  });
});

const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}$/), { minLength: 1, maxLength: 4 });
const port = fc.integer({ min: 1, max: 14_999 });
const action = fc.oneof(
  fc.record({ httpGet: fc.record({ port, path: fc.string() }) }),
  fc.record({ tcpSocket: fc.record({ port }) }),
  fc.record({ grpc: fc.record({ port, service: fc.string() }) }),
  fc.record({ exec: fc.record({ command: fc.array(fc.string(), { maxLength: 2 }) }) }),
);
const probe = fc
  .tuple(action, fc.record({ periodSeconds: fc.nat(9) }))
  .map((parts) => ({ ...parts[0], ...parts[1] }));
const extras = fc.dictionary(fc.stringMatching(/^x[a-z]{1,4}$/), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 3,
});
const container = fc
  .tuple(fc.record({ readinessProbe: probe, livenessProbe: probe }, { requiredKeys: [] }), extras)
  .map((parts) => ({ ...parts[0], ...parts[1] }));
const text = fc.stringMatching(/^[a-z0-9$(){}~/ ]{0,10}$/);
const pods: fc.Arbitrary<Pod> = fc
  .record({
    names,
    parts: fc.array(container, { minLength: 4, maxLength: 4 }),
    initCount: fc.nat(3),
    always: fc.boolean(),
    labels: fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), text, { maxKeys: 3 }),
    annotations: fc.record(
      {
        'prometheus.io/port': port.map(String),
        'prometheus.io/path': text,
        'prometheus.io/scrape': fc.constantFrom('true', 'false'),
        note: text,
      },
      { requiredKeys: [] },
    ),
    spec: extras,
    volumes: fc.array(fc.record({ name: fc.stringMatching(/^v[a-z]{1,4}$/) }), { maxLength: 2 }),
  })
  .map(({ names: all, parts, initCount, always, labels, annotations, spec, volumes }) => {
    const containers = all.map((name, index): Container => ({ ...parts[index], name }));
    const inits = containers.splice(1, initCount);
    return {
      metadata: { name: 'p', labels, annotations },
      spec: {
        ...spec,
        containers,
        ...(inits.length === 0
          ? {}
          : { initContainers: always ? inits.map((item) => ({ ...item, restartPolicy: 'Always' })) : inits }),
        volumes,
      },
    };
  })
  .map((pod) => JSON.parse(JSON.stringify(pod)) as Pod);
const configs: fc.Arbitrary<InjectorOptions> = fc.record(
  {
    image: fc.constant('x'),
    nativeSidecar: fc.boolean(),
    holdApplicationUntilProxyStarts: fc.boolean(),
    interceptionMode: fc.constantFrom('REDIRECT', 'TPROXY', 'NONE'),
    rewriteAppProbes: fc.boolean(),
    mergeMetrics: fc.boolean(),
  },
  { requiredKeys: ['image'] },
);

function assertCarried(
  before: Container,
  after: Container,
  appProbes: Readonly<Record<string, unknown>>,
): void {
  const kinds = { livenessProbe: 'livez', readinessProbe: 'readyz' } as const;
  for (const [name, value] of Object.entries(before)) {
    const path = kinds[name as keyof typeof kinds];
    const told = path && (appProbes[`/app-health/${before.name}/${path}`] as object | undefined);
    if (told === undefined) {
      assert.deepEqual(after[name], value, name);
      continue;
    }
    const { httpGet, periodSeconds } = after[name] as { httpGet: unknown; periodSeconds: number };
    assert.deepEqual(httpGet, { path: `/app-health/${before.name}/${path}`, port: 15_020 });
    assert.deepEqual({ ...told, periodSeconds }, completed(value as Probe));
  }
}

/** What Kubernetes takes for what a probe leaves out. */
function completed(probe: Probe): Probe {
  const { httpGet, grpc } = probe;
  return {
    timeoutSeconds: 1,
    ...probe,
    ...(httpGet === undefined
      ? {}
      : { httpGet: { ...httpGet, path: httpGet['path'] || '/', scheme: httpGet['scheme'] || 'HTTP' } }),
    ...(grpc === undefined ? {} : { grpc: { service: '', ...grpc } }),
  };
}

function assertAnnotations(before: Pod, after: Pod, told: ReadonlyMap<string, string>): void {
  const scrape = JSON.parse(told.get('HEDDLE_APP_SCRAPE') ?? '{}') as Record<string, string>;
  for (const [name, value] of Object.entries(before.metadata?.annotations ?? {})) {
    const now = after.metadata?.annotations?.[name];
    if (now !== value) assert.equal(scrape[name.slice('prometheus.io/'.length)], value, name);
  }
}

/** The sidecar's variables, as Kubernetes gives them to it: `$$` is `$`. */
function sidecarEnvironment(pod: Pod): ReadonlyMap<string, string> {
  const variables = containerOf(pod, 'heddle-proxy')['env'] as readonly { name: string; value?: string }[];
  return new Map(variables.map(({ name, value = '' }) => [name, value.replaceAll('$$', () => '$')]));
}

function containerOf({ spec }: Pod, name: string): Container {
  const found = [...spec.containers, ...(spec.initContainers ?? [])].find((item) => item.name === name);
  assert.ok(found, name);
  return found;
}

function podWith(parts: Partial<Pod>): Pod {
  return { spec: { containers: [{ name: 'web' }] }, ...parts };
}
