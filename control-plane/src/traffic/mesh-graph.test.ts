import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildModel } from '../model/build-model.js';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import { COLUMN } from './call-columns.js';
import { MeshGraph } from './mesh-graph.js';
import { TrafficStore, type CallKey, type CallParty } from './traffic-store.js';

const NOW_MS = 100_000;

describe('the graph of services', () => {
  it('shows every service, also before anybody calls it', () => {
    const { graph } = setup();
    assert.deepEqual(
      graph().nodes.map(({ id, health }) => [id, health]),
      [
        ['default/ratings', 'idle'],
        ['default/reviews', 'idle'],
      ],
    );
  });

  it('joins the versions of a service in one node, and what its callers counted in one arrow', () => {
    const { count, graph } = setup();
    count('source', GATEWAY, workload('reviews-v1', 'v1'), { requests: 80 });
    count('source', GATEWAY, workload('reviews-v2', 'v2'), { requests: 20, failed: 10 });
    const { nodes, edges } = graph();
    assert.deepEqual(
      edges.map(({ id, figures }) => [
        id,
        figures.requests,
        figures.failed,
        figures.rate,
        figures.successRatio,
      ]),
      [['default/ingress/gateway default/reviews', 100, 10, 10, 0.9]],
    );
    const reviews = nodes.find(({ id }) => id === 'default/reviews');
    assert.equal(reviews?.health, 'bad');
    assert.deepEqual(reviews?.reasons, ['10.0 % of calls fail']);
    assert.deepEqual(
      reviews?.versions.map(({ version, share, failed }) => [version, share, failed]),
      [
        ['v1', 0.8, 0],
        ['v2', 0.2, 10],
      ],
    );
  });

  it('knows from the called side how calls are secured, and counts them once', () => {
    const { count, graph } = setup();
    const reviews = workload('reviews-v1', 'v1');
    count('source', GATEWAY, reviews, { requests: 10 });
    assert.equal(graph().edges[0]?.security, 'unknown');
    count('destination', GATEWAY, reviews, { requests: 10, mutualTls: 9 });
    assert.equal(graph().edges[0]?.security, 'mixed');
    assert.equal(graph().edges[0]?.figures.requests, 10);
  });

  it('tells of callers from outside, but not of those in the mesh that only did not prove who they are', () => {
    const { count, graph } = setup();
    const reviews = workload('reviews-v1', 'v1');
    const ratings = workload('ratings', 'v1');
    count('destination', NOBODY, ratings, { requests: 5 });
    count('source', GATEWAY, reviews, { requests: 10 });
    count('destination', NOBODY, reviews, { requests: 10 });
    assert.deepEqual(
      graph().edges.map(({ id, security }) => [id, security]),
      [
        ['default/ingress/gateway default/reviews', 'unknown'],
        ['outside default/ratings', 'plaintext'],
      ],
    );
  });

  it('says when no endpoint of a service that is called is ready', () => {
    const { graph } = setup('address: 127.0.0.1');
    const { nodes } = graph();
    assert.deepEqual(nodes.find(({ id }) => id === 'default/ratings')?.reasons, ['no endpoint is ready']);
    assert.equal(nodes.find(({ id }) => id === 'default/ratings')?.health, 'bad');
    assert.equal(nodes.find(({ id }) => id === 'default/reviews')?.health, 'idle');
  });
});

const GATEWAY = workload('ingress', '');
const NOBODY: CallParty = {
  namespace: 'unknown',
  workload: 'unknown',
  canonicalService: 'unknown',
  version: 'unknown',
};

function workload(name: string, version: string): CallParty {
  return { namespace: 'default', workload: name, canonicalService: name, version };
}

const SERVICE = (name: string): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: ${name} }
  ports: [{ name: http, port: 80 }]
---`;

const WORKLOAD = (name: string, app: string, version: string): string => `
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: ${name} }
spec:
  address: 127.0.0.1
  ports: [{ name: http, port: 80 }]
  labels: { app: ${app}, version: ${version} }
---`;

function setup(without = 'nothing') {
  const workloads = [
    WORKLOAD('reviews-v1', 'reviews', 'v1'),
    WORKLOAD('reviews-v2', 'reviews', 'v2'),
    ...(without === 'nothing' ? [WORKLOAD('ratings', 'ratings', 'v1')] : []),
  ];
  const text = [SERVICE('reviews'), SERVICE('ratings'), ...workloads].join('');
  const { resources, problems } = parseMeshFile(text, 'mesh.yaml');
  assert.deepEqual(problems, []);
  const { model } = buildModel(new Map(resources.map((resource) => [resource.key, resource])));
  const store = new TrafficStore();
  return {
    graph: () => new MeshGraph(model, store.records, NOW_MS).view(),
    count: (
      reporter: CallKey['reporter'],
      source: CallParty,
      destination: CallParty,
      counts: { requests: number; failed?: number; mutualTls?: number },
    ): void => {
      const record = store.recordOf({ reporter, source, destination, host: 'unknown' }, NOW_MS);
      for (const [column, added] of Object.entries(counts))
        record?.add(NOW_MS - 4_000, COLUMN[column as keyof typeof counts], added, false);
    },
  };
}
