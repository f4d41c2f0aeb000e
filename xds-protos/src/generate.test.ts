import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../scripts/generate.mjs', import.meta.url));
const output = (name: string) => fileURLToPath(new URL(`../gen/${name}`, import.meta.url));

describe('generation', () => {
  it('does nothing when nothing changed', () => {
    const before = statSync(output('protos.js')).mtimeMs;
    execFileSync(process.execPath, [script]);
    assert.equal(statSync(output('protos.js')).mtimeMs, before);
  });

  it('makes code that imports nothing but our own runtime', () => {
    const imports = readFileSync(output('protos.js'), 'utf8').match(/^import .*$/gm);
    assert.deepEqual(imports, ['import $protobuf from "../dist/protobuf-runtime.js";']);
  });
});
