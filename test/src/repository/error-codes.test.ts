import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { documentedErrorCodes, errorCodesIn, errorCodesInSources } from './error-codes.js';
import { repositoryRoot } from './repository-files.js';

describe('docs/errors.md', () => {
  const documented = documentedErrorCodes(readFileSync(path.join(repositoryRoot, 'docs/errors.md'), 'utf8'));

  it('lists every code that the sources name', () => {
    const codes = errorCodesInSources();
    assert.ok(codes.has('MESH_BROKEN_INVARIANT'), 'the sources were not read');
    const missing = [...codes].filter(([code]) => !documented.includes(code));
    assert.deepEqual(
      missing.map(([code, file]) => `${code} of ${file}`),
      [],
    );
  });

  it('lists nothing that no source names, and nothing twice, in alphabetical order', () => {
    const codes = errorCodesInSources();
    assert.deepEqual(
      documented.filter((code) => !codes.has(code)),
      [],
    );
    assert.deepEqual(documented, [...new Set(documented)].sort());
  });
});

describe('errorCodesIn', () => {
  it('finds codes as whole literals only', () => {
    assert.deepEqual(errorCodesIn(`code = 'MESH_A_1'; x = "MESH_B"; startsWith('MESH_'); 'see MESH_C'`), [
      'MESH_A_1',
      'MESH_B',
    ]);
  });

  it('takes the lines of comments for examples', () => {
    assert.deepEqual(errorCodesIn(`/**\n * code = 'MESH_A'\n */\n// 'MESH_B'\n  code = 'MESH_C';`), [
      'MESH_C',
    ]);
  });
});

describe('documentedErrorCodes', () => {
  it('reads the first column of the table', () => {
    assert.deepEqual(documentedErrorCodes('| code | why |\n| `MESH_A` | not `MESH_B` |\ntext `MESH_C`'), [
      'MESH_A',
    ]);
  });
});
