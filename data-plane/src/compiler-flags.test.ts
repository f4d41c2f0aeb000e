import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { COMPILER_FLAGS } from './compiler-flags.js';

describe('the flags of the compiler', () => {
  it('are known to the V8 of this Node', () => {
    const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    for (const flag of COMPILER_FLAGS) {
      const name = flag.slice(0, flag.indexOf('='));
      assert.match(stdout, new RegExp(`^ +${name} `, 'm'), name);
    }
  });
});
