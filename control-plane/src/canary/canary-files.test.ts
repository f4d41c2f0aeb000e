import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { silentLogger } from '@heddle/common';
import fc from 'fast-check';
import { CanaryFiles } from './canary-files.js';
import type { CanaryState } from './canary-state.js';

describe('where canaries are, on disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-canaries-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('comes back as it was written, for its owner alone, and whatever the name stays in its folder', () => {
    const files = new CanaryFiles(folder, silentLogger);
    files.readAll();
    files.write('default/reviews', STATE);
    files.write('../../etc/passwd', { ...STATE, step: 2 });
    assert.deepEqual([...new CanaryFiles(folder, silentLogger).readAll()].sort(), [
      ['../../etc/passwd', { ...STATE, step: 2 }],
      ['default/reviews', STATE],
    ]);
    for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o077, 0);
  });

  it('may hold anything: what is no state is passed over', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.constant(JSON.stringify({ key: 'a', state: { ...STATE, step: -1 } })),
        ),
        (text) => {
          writeFileSync(join(folder, 'broken.json'), text);
          assert.equal(new CanaryFiles(folder, silentLogger).readAll().size, 2);
        },
      ),
    );
  });
});

const STATE: CanaryState = {
  runId: 'r',
  run: 3,
  phase: 'observing',
  step: 1,
  runSinceMs: 1,
  stepSinceMs: 2,
  phaseSinceMs: 3,
  reason: 'why',
  stepHeld: false,
  events: [{ atMs: 1, phase: 'waiting', weight: 0, text: 'began' }],
};
