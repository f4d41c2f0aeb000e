import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalService } from './canonical-service.js';

describe('the canonical service of a workload', () => {
  it('is named by its own label first, then by the usual ones, then by the workload', () => {
    const labels = {
      'service.istio.io/canonical-name': 'own',
      'app.kubernetes.io/name': 'recommended',
      app: 'app',
    };
    assert.equal(canonicalService(labels, 'w').name, 'own');
    assert.equal(
      canonicalService({ ...labels, 'service.istio.io/canonical-name': '' }, 'w').name,
      'recommended',
    );
    assert.equal(canonicalService({ app: 'app' }, 'w').name, 'app');
    assert.equal(canonicalService({}, 'w').name, 'w');
  });

  it('has a revision in the same order, and latest without one', () => {
    const labels = {
      'service.istio.io/canonical-revision': 'own',
      'app.kubernetes.io/version': 'recommended',
      version: 'v1',
    };
    assert.equal(canonicalService(labels, 'w').revision, 'own');
    assert.equal(canonicalService({ version: 'v1', 'app.kubernetes.io/version': '2' }, 'w').revision, '2');
    assert.equal(canonicalService({ version: 'v1' }, 'w').revision, 'v1');
    assert.equal(canonicalService({}, 'w').revision, 'latest');
  });
});
