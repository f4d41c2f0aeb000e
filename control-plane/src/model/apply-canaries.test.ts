import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import { buildModel } from './build-model.js';
import type { CanaryWeights } from './canary.js';
import type { MeshModel } from './mesh-model.js';

const REVIEWS = 'reviews.default.svc.cluster.local';

describe('the weights of a canary', () => {
  it('are laid over a rule that names the host alone', () => {
    assert.deepEqual(destinations(build([route('- destination: { host: reviews }')], 20)), [
      [REVIEWS, 'v1', 8000],
      [REVIEWS, 'v2', 2000],
    ]);
  });

  it('share what a rule gives to both versions, and leave its other destinations their part', () => {
    const rule = route(`
        - { destination: { host: reviews, subset: v1 }, weight: 50 }
        - { destination: { host: reviews, subset: v2 }, weight: 10 }
        - { destination: { host: legacy.example.com }, weight: 40 }`);
    assert.deepEqual(destinations(build([rule], 25)), [
      [REVIEWS, 'v1', 4500],
      [REVIEWS, 'v2', 1500],
      ['legacy.example.com', '', 4000],
    ]);
  });

  it('leave a rule alone that is for the canary, for testers', () => {
    assert.deepEqual(destinations(build([route('- destination: { host: reviews, subset: v2 }')], 5)), [
      [REVIEWS, 'v2', 100],
    ]);
  });

  it('make a rule where the host has none', () => {
    assert.deepEqual(destinations(build([], 5)), [
      [REVIEWS, 'v1', 9500],
      [REVIEWS, 'v2', 500],
    ]);
  });

  it('send everything to the stable version before the run and after a rollback, and to the canary when it is promoted', () => {
    const rule = route('- destination: { host: reviews }');
    assert.deepEqual(destinations(build([rule], undefined)), [[REVIEWS, 'v1', 10000]]);
    assert.deepEqual(destinations(build([rule], 0)), [[REVIEWS, 'v1', 10000]]);
    assert.deepEqual(destinations(build([rule], 100)), [[REVIEWS, 'v2', 10000]]);
  });

  it('change nothing while a version is not known, or nothing is there to be stable', () => {
    const rule = route('- destination: { host: reviews }');
    const written = [[REVIEWS, '', 100]];
    assert.deepEqual(destinations(build([rule], 20, { subsets: ['v1'] })), written);
    assert.deepEqual(destinations(build([rule], undefined, { running: ['v2'] })), written);
  });

  it('are another configuration: proxies are told', () => {
    const rule = route('- destination: { host: reviews }');
    assert.notEqual(build([rule], 20).configHash, build([rule], 30).configHash);
    assert.equal(build([rule], 20).configHash, build([rule], 20).configHash);
  });
});

describe('a Canary that is wrong', () => {
  it('is told what, at its field', () => {
    const { problems } = parseMeshFile(
      canary.replace('[{ weight: 50 }]', '[{ weight: 50 }, { weight: 50 }, { weight: 101 }]'),
      'mesh.yaml',
    );
    assert.deepEqual(
      problems.map(({ severity, field }) => [severity, field]),
      [['error', 'spec.steps[2].weight']],
    );
    const falling = parseMeshFile(canary.replace('[{ weight: 50 }]', '[{ weight: 50 }, { weight: 5 }]'), 'f');
    assert.match(falling.problems[0]?.message ?? '', /not more than that of the step before/);
    const same = parseMeshFile(canary.replace('subset: v2', 'subset: v1'), 'f');
    assert.match(same.problems[0]?.message ?? '', /same as the stable version/);
  });

  it('is warned of a subset that there is not, with what was meant', () => {
    const warnings = problemsOf([canary.replace('subset: v2', 'subset: v22')]);
    assert.deepEqual(warnings, [['warning', 'spec.canary.subset', 'v2']]);
  });

  it('gets no say where another leads its host already', () => {
    const second = canary.replace('name: reviews', 'name: second');
    assert.deepEqual(problemsOf([canary, second]), [['error', 'spec.host', undefined]]);
  });
});

const canary = `
apiVersion: heddle.dev/v1alpha1
kind: Canary
metadata: { name: reviews }
spec: { host: reviews, stable: { subset: v1 }, canary: { subset: v2 }, steps: [{ weight: 50 }] }
`;

const route = (destinations: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - route:
        ${destinations}
`;

const service = `
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { selector: { app: reviews }, ports: [{ name: http, port: 80 }] }
`;

function build(
  documents: readonly string[],
  weight: number | undefined,
  { subsets = ['v1', 'v2'], running = ['v1', 'v2'] } = {},
): MeshModel {
  return modelOf([canary, ...documents], { subsets, running }, { weightOf: () => weight }).model;
}

function problemsOf(documents: readonly string[]): readonly unknown[] {
  const known = { subsets: ['v1', 'v2'], running: ['v1', 'v2'] };
  return modelOf(documents, known, { weightOf: () => 0 }).problems.map(({ severity, field, suggestion }) => [
    severity,
    field,
    suggestion,
  ]);
}

function modelOf(
  documents: readonly string[],
  { subsets, running }: { readonly subsets: readonly string[]; readonly running: readonly string[] },
  weights: CanaryWeights,
): ReturnType<typeof buildModel> {
  const rule = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets: [${subsets.map((name) => `{ name: ${name}, labels: { version: ${name} } }`).join(', ')}]
`;
  const workloads = running.map(
    (version) => `
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: reviews-${version} }
spec:
  address: 127.0.0.1
  ports: [{ name: http, port: 80 }]
  labels: { app: reviews, version: ${version} }
`,
  );
  const text = [service, rule, ...workloads, ...documents].join('---');
  const { resources, problems } = parseMeshFile(text, 'mesh.yaml');
  assert.deepEqual(problems, []);
  return buildModel(
    new Map(resources.map((resource) => [resource.key, resource])),
    undefined,
    undefined,
    weights,
  );
}

function destinations({ virtualHosts }: MeshModel): readonly unknown[] {
  return virtualHosts.flatMap(({ routes }) =>
    routes.flatMap(({ action }) =>
      action.kind === 'forward'
        ? action.destinations.map(({ host, subset, weight }) => [host, subset, weight])
        : [],
    ),
  );
}
