import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PolicyIndex, policyLevelOf, type PolicyTarget } from './policy-target.js';

const root = 'istio-system';

describe('policyLevelOf', () => {
  it('takes the root namespace for the mesh, unless the policy selects workloads', () => {
    assert.equal(policyLevelOf(target('a', { namespace: root }), root), 'mesh');
    assert.equal(policyLevelOf(target('a', { namespace: 'shop' }), root), 'namespace');
    assert.equal(policyLevelOf(target('a', { namespace: 'shop' }), 'shop'), 'mesh');
    assert.equal(policyLevelOf(target('a', { namespace: root, selector: { app: 'a' } }), root), 'workload');
  });
});

describe('PolicyIndex', () => {
  it('gives a workload the policies of the mesh, of its namespace, and those that select it', () => {
    const index = new PolicyIndex(
      [
        policy('mesh', { namespace: root }),
        policy('everywhere', { namespace: root, selector: { app: 'a' } }),
        policy('shop', { namespace: 'shop' }),
        policy('other', { namespace: 'other' }),
        policy('a-of-shop', { namespace: 'shop', selector: { app: 'a' } }),
        policy('b-of-shop', { namespace: 'shop', selector: { app: 'b' } }),
        policy('a-v2', { namespace: 'shop', selector: { app: 'a', version: 'v2' } }),
      ],
      root,
    );
    const found = index.all({ namespace: 'shop', labels: { app: 'a', version: 'v1' } });
    assert.deepEqual(names(found), ['everywhere', 'mesh', 'a-of-shop', 'shop']);
  });

  it('names a policy of the root namespace once for a workload of that namespace', () => {
    const index = new PolicyIndex([policy('mesh', { namespace: root })], root);
    assert.deepEqual(names(index.all({ namespace: root, labels: {} })), ['mesh']);
  });

  it('lets the oldest of a level win, and of equal age the first by name', () => {
    const index = new PolicyIndex(
      [
        policy('a-young', { namespace: 'shop', createdAtMs: 2000 }),
        policy('z-old', { namespace: 'shop', createdAtMs: 1000 }),
        policy('c', { namespace: root, selector: { app: 'a' } }),
        policy('b', { namespace: 'shop', selector: { app: 'a' } }),
      ],
      root,
    );
    const { mesh, namespace, workload } = index.first({ namespace: 'shop', labels: { app: 'a' } });
    assert.equal(mesh, undefined);
    assert.equal(namespace?.target.name, 'z-old');
    assert.equal(workload?.target.name, 'b');
  });

  it('finds what names a Gateway only where that Gateway is served', () => {
    const index = new PolicyIndex([policy('edge', { namespace: 'shop', gateways: ['front'] })], root);
    const serving = (namespace: string, name: string) =>
      names(index.all({ namespace, labels: { 'gateway.networking.k8s.io/gateway-name': name } }));
    assert.deepEqual(serving('shop', 'front'), ['edge']);
    assert.deepEqual(serving('shop', 'back'), []);
    assert.deepEqual(serving('other', 'front'), []);
    assert.deepEqual(names(index.all({ namespace: 'shop', labels: {} })), []);
  });
});

function target(name: string, more: Partial<PolicyTarget>): PolicyTarget {
  return { name, namespace: 'default', selector: undefined, gateways: undefined, createdAtMs: 0, ...more };
}

function policy(name: string, more: Partial<PolicyTarget>): { readonly target: PolicyTarget } {
  return { target: target(name, more) };
}

function names(policies: readonly { readonly target: PolicyTarget }[]): readonly string[] {
  return policies.map((found) => found.target.name);
}
