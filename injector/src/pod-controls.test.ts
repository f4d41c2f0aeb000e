import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createInjectorConfig } from './injector-config.js';
import { CONTROL_NAMES, readPodControls, type PodControls } from './pod-controls.js';

const config = createInjectorConfig({ image: 'x' });

describe('readPodControls', () => {
  it('takes what the documents name, ours and Istio’s in one row', () => {
    const page = readFileSync(new URL('../../docs/injection.md', import.meta.url), 'utf8');
    const rows = page.split('\n').filter((line) => line.startsWith('|'));
    for (const names of CONTROL_NAMES) {
      assert.ok(
        rows.some((row) => names.every((name) => row.includes(`\`${name}\``))),
        names.join(', '),
      );
    }
  });

  it('does the same for our name as for Istio’s', () => {
    const values = ['true', 'false', '80', '10.0.0.0/8', 'eth1', 'NONE', '1', '5Mi', 'debug', 'registry/x:1'];
    for (const [ours, istios] of CONTROL_NAMES) {
      if (ours === undefined || istios === undefined) continue;
      const effects = values.map((value) => [read({ [ours]: value }), read({ [istios]: value })]);
      for (const [own, other] of effects) assert.deepEqual(own, other, ours);
      assert.ok(
        effects.some(([own]) => own !== undefined && JSON.stringify(own) !== JSON.stringify(read({}))),
        `${ours} has an effect`,
      );
    }
  });

  it('takes the mesh’s settings where a pod says nothing', () => {
    const controls = read({});
    assert.equal(controls?.image, 'x');
    assert.deepEqual(controls.resources, config.resources);
  });

  it('takes only what is given where one of the four resources is', () => {
    const { resources } = read({ 'sidecar.istio.io/proxyMemoryLimit': '1Gi' }) ?? {};
    assert.deepEqual(resources, { limits: { memory: '1Gi' } });
  });
});

/** Undefined where a value is refused. */
function read(annotations: Readonly<Record<string, string>>): PodControls | undefined {
  const problems: string[] = [];
  const controls = readPodControls({ annotations }, config, problems, []);
  return problems.length > 0 ? undefined : controls;
}
