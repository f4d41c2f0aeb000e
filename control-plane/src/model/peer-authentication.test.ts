import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultMeshSettings } from './mesh-settings.js';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import { buildModel } from './build-model.js';
import { peerModeAt, peerModesOf, type EffectivePeerModes } from './peer-authentication.js';

const reviews = { namespace: 'shop', labels: { app: 'reviews' } };

describe('peerModesOf', () => {
  it('is PERMISSIVE where nobody says anything', () => {
    assert.equal(modesAt([]).mode, 'permissive');
    assert.equal(modesAt([policy('a', { namespace: 'other', mode: 'STRICT' })]).mode, 'permissive');
    assert.equal(modesAt([policy('a', { namespace: 'shop', mode: 'UNSET' })]).mode, 'permissive');
  });

  it('lets a namespace overrule the mesh, and a workload its namespace', () => {
    const mesh = policy('mesh', { namespace: 'istio-system', mode: 'STRICT' });
    const shop = policy('shop', { namespace: 'shop', mode: 'DISABLE' });
    const workload = policy('own', { namespace: 'shop', mode: 'PERMISSIVE', app: 'reviews' });
    assert.equal(modesAt([mesh]).mode, 'strict');
    assert.equal(modesAt([mesh, shop]).mode, 'disable');
    assert.equal(modesAt([mesh, shop, workload]).mode, 'permissive');
  });

  it('inherits through UNSET and through a policy without mtls', () => {
    const mesh = policy('mesh', { namespace: 'istio-system', mode: 'STRICT' });
    const shop = policy('shop', { namespace: 'shop', mode: 'UNSET' });
    const workload = policy('own', { namespace: 'shop', app: 'reviews' });
    assert.equal(modesAt([mesh, shop, workload]).mode, 'strict');
  });

  it('takes ports from the workload level, and UNSET there is the workload’s own mode', () => {
    const modes = modesAt([
      policy('own', {
        namespace: 'shop',
        mode: 'STRICT',
        app: 'reviews',
        ports: { 8080: 'DISABLE', 9090: 'UNSET' },
      }),
    ]);
    assert.equal(peerModeAt(modes, 8080), 'disable');
    assert.equal(peerModeAt(modes, 9090), 'strict');
    assert.equal(peerModeAt(modes, 80), 'strict');
  });

  it('lets the oldest of one level win, whole: the ports of the younger do not count', () => {
    const old = policy('z', { namespace: 'shop', app: 'reviews', mode: 'STRICT', created: '2026-01-01' });
    const young = policy('a', {
      namespace: 'shop',
      app: 'reviews',
      mode: 'DISABLE',
      ports: { 8080: 'DISABLE' },
      created: '2026-01-02',
    });
    const modes = modesAt([young, old]);
    assert.equal(modes.mode, 'strict');
    assert.equal(peerModeAt(modes, 8080), 'strict');
  });

  it('reaches workloads of every namespace from the root namespace, also one that is configured', () => {
    const everywhere = policy('a', { namespace: 'istio-system', app: 'reviews', mode: 'STRICT' });
    assert.equal(modesAt([everywhere]).mode, 'strict');
    assert.equal(modesAt([everywhere], 'mesh-root').mode, 'permissive');
    assert.equal(
      modesAt([policy('a', { namespace: 'mesh-root', mode: 'STRICT' })], 'mesh-root').mode,
      'strict',
    );
  });
});

interface PolicyParts {
  readonly namespace: string;
  readonly mode?: string;
  readonly app?: string;
  readonly ports?: Readonly<Record<string, string>>;
  readonly created?: string;
}

function policy(name: string, { namespace, mode, app, ports, created }: PolicyParts): object {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name, namespace, ...(created === undefined ? {} : { creationTimestamp: created }) },
    spec: {
      ...(app === undefined ? {} : { selector: { matchLabels: { app } } }),
      ...(mode === undefined ? {} : { mtls: { mode } }),
      ...(ports === undefined
        ? {}
        : { portLevelMtls: Object.fromEntries(Object.entries(ports).map(([p, m]) => [p, { mode: m }])) }),
    },
  };
}

function modesAt(policies: readonly object[], rootNamespace = 'istio-system'): EffectivePeerModes {
  const { resources, problems } = parseMeshFile(JSON.stringify({ kind: 'List', items: policies }), 'a.yaml');
  assert.deepEqual(problems, []);
  const { model } = buildModel(new Map(resources.map((resource) => [resource.key, resource])), {
    ...defaultMeshSettings,
    rootNamespace,
  });
  return peerModesOf(model.peerAuthentications, reviews);
}
