import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { SimulatedClient, type SimulatedMesh } from './simulated-client.test-support.js';

for (const variant of ['sotw', 'delta'] as const) {
  describe(`AdsSession and a simulated proxy (${variant})`, () => {
    it('brings the proxy to the last snapshot from whatever happened before, and breaks no route on the way', () => {
      fc.assert(
        fc.property(fc.array(anyStep, { maxLength: 60 }), anyMesh('v'), (steps, last) => {
          const client = new SimulatedClient(variant);
          for (const step of steps) take(client, step);
          client.setMesh(last);
          client.settle();
          assert.deepEqual(sorted(client.mesh), sorted(last));
          assert.ok(
            client.states.every((state) => state === 'synced' || state === 'never-sent'),
            client.states.join(),
          );
        }),
        {
          numRuns: 1_000,
          examples: [[REMOVED_BEFORE_ITS_CHANGE_WAS_SENT, onlyClusters({ a: 'v1', b: 'v1' })]],
        },
      );
    });

    it('sends nothing at all for the same snapshot again, also when parts of it were refused', () => {
      fc.assert(
        fc.property(anyMesh('v', 'bad'), (mesh) => {
          const client = new SimulatedClient(variant);
          client.setMesh(mesh);
          client.settle();
          client.setMesh(mesh);
          assert.equal(client.clientReads(), false);
        }),
        { numRuns: 100 },
      );
    });
  });
}

/** Of a proxy that has cluster a as v1: it becomes v0 and goes while the answer with v1 is under way, and comes back as v1. */
const REMOVED_BEFORE_ITS_CHANGE_WAS_SENT: Step[] = [
  { kind: 'mesh', mesh: onlyClusters({ a: 'v1' }) },
  { kind: 'serverReads' },
  { kind: 'serverReads' },
  { kind: 'mesh', mesh: onlyClusters({ a: 'v0' }) },
  { kind: 'clientReads' },
  { kind: 'mesh', mesh: onlyClusters({ b: 'v1' }) },
  { kind: 'serverReads' },
];

type Step =
  | { readonly kind: 'mesh'; readonly mesh: SimulatedMesh }
  | { readonly kind: 'serverReads' | 'clientReads' | 'slow' | 'fast' | 'reconnect' | 'settle' | 'wait' };

function onlyClusters(versions: Readonly<Record<string, string>>): SimulatedMesh {
  const clusters = Object.entries(versions).map(([name, version]) => [name, { version, endpoints: 'v0' }]);
  return { clusters: Object.fromEntries(clusters) as SimulatedMesh['clusters'], listeners: {}, routes: {} };
}

function take(client: SimulatedClient, step: Step): void {
  if (step.kind === 'mesh') client.setMesh(step.mesh);
  else if (step.kind === 'serverReads') client.serverReads();
  else if (step.kind === 'clientReads') client.clientReads();
  else if (step.kind === 'slow') client.setSlow(true);
  else if (step.kind === 'fast') client.setSlow(false);
  else if (step.kind === 'reconnect') client.reconnect();
  else if (step.kind === 'settle') client.settle();
  else client.clock.advance(700);
}

/** Every route names clusters that there are, every listener a route that there is, and no route is without a listener. */
function anyMesh(...kinds: readonly string[]): fc.Arbitrary<SimulatedMesh> {
  const version = fc
    .tuple(
      fc.constantFrom(...kinds.flatMap((kind) => (kind === 'bad' ? [kind] : [kind, kind, kind]))),
      fc.nat(2),
    )
    .map(([kind, number]) => `${kind}${number}`);
  const some = <T>(names: readonly string[], arbitrary: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
    fc.dictionary(fc.constantFrom(...names), arbitrary, { maxKeys: names.length, noNullPrototype: true });
  const route = fc.record({ version, picks: fc.array(fc.nat(9), { maxLength: 3 }) });
  return fc
    .record({
      clusters: some(['a', 'b', 'c', 'd'], fc.record({ version, endpoints: version })),
      listeners: some(['l', 'm'], fc.record({ version, route: fc.constantFrom('r', 's', 't') })),
      drafts: fc.record({ r: route, s: route, t: route }),
    })
    .map(({ clusters, listeners, drafts }) => {
      const names = Object.keys(clusters);
      const used = new Set<string>(Object.values(listeners).map(({ route: name }) => name));
      const routes = Object.fromEntries(
        Object.entries(drafts)
          .filter(([name]) => used.has(name))
          .map(([name, { version: own, picks }]) => {
            const targets = picks
              .map((pick) => names[pick % names.length])
              .filter((found) => found !== undefined);
            return [name, { version: own, clusters: [...new Set(targets)] }];
          }),
      );
      return { clusters, listeners, routes };
    });
}

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: anyMesh('v', 'bad').map((mesh): Step => ({ kind: 'mesh', mesh })) },
  {
    weight: 8,
    arbitrary: fc.constantFrom<Step>({ kind: 'serverReads' }, { kind: 'clientReads' }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Step>(
      { kind: 'slow' },
      { kind: 'fast' },
      { kind: 'reconnect' },
      { kind: 'settle' },
      { kind: 'wait' },
    ),
  },
);

/** One line for each resource, in order. */
function sorted(mesh: SimulatedMesh): string[] {
  return Object.entries(mesh).flatMap(([kind, byName]) =>
    Object.entries(byName)
      .map(([name, content]) => `${kind} ${name} ${Object.values(content as object).join(' ')}`)
      .sort(),
  );
}
