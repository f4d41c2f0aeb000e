import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import { KnownWorkloads } from './known-workloads.js';

const { resources, problems } = parseMeshFile(
  `
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: reviews, namespace: shop }
spec: { command: [x], serviceAccount: reviews, labels: { app: reviews, version: v1 } }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: reviews-0, namespace: shop }
spec: { address: 10.0.0.1, serviceAccount: reviews, labels: { app: reviews, version: v0 } }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: bare, namespace: shop }
spec: { address: 10.0.0.2, serviceAccount: bare }
`,
  'mesh.yaml',
);
const known = new KnownWorkloads(resources);

describe('what a proxy of a service account may be', () => {
  it('is one of the workloads that run as it, with all of their labels or some', () => {
    assert.deepEqual(problems, []);
    for (const labels of [
      { app: 'reviews', version: 'v1' },
      { app: 'reviews', version: 'v0' },
      { app: 'reviews' },
      {},
    ]) {
      assert.equal(whyForeign('shop', 'reviews', labels), undefined);
    }
  });

  it('is nothing that no workload of its service account is', () => {
    for (const labels of [
      { app: 'reviews', version: 'v2' },
      { app: 'reviews', version: 'v1', istio: 'ingressgateway' },
      { istio: 'ingressgateway' },
      { constructor: 'x' },
    ]) {
      assert.match(
        whyForeign('shop', 'reviews', labels) ?? '',
        /no workload of the service account shop\/reviews/,
      );
    }
    assert.match(whyForeign('shop', 'bare', { app: 'reviews' }) ?? '', /no workload/);
  });

  it('is anything where nothing is known of it, but not what somebody else is known to be', () => {
    assert.equal(whyForeign('shop', 'gateway', { istio: 'ingressgateway' }), undefined);
    assert.equal(whyForeign('shop', 'gateway', {}), undefined);
    assert.equal(whyForeign('other', 'gateway', { app: 'reviews', version: 'v1' }), undefined);
    assert.match(
      whyForeign('shop', 'gateway', { istio: 'ingressgateway', app: 'reviews', version: 'v1' }) ?? '',
      /those of Workload shop\/reviews, whose service account is reviews and not gateway/,
    );
  });

  it('is told without ever writing more than a line', () => {
    const labels = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`label-${i}`, 'x']));
    assert.ok((whyForeign('shop', 'reviews', labels) ?? '').length < 500);
  });
});

function whyForeign(
  namespace: string,
  serviceAccount: string,
  labels: Record<string, string>,
): string | undefined {
  return known.whyForeign({ namespace, serviceAccount, labels });
}
