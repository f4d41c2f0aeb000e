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
  it('finds what classes set as their code, and nothing else', () => {
    const source = `code = 'MESH_A_1'; ({ code: "MESH_B" }); startsWith('MESH_'); location = 'MESH_EXTERNAL'`;
    assert.deepEqual(errorCodesIn(source), ['MESH_A_1', 'MESH_B']);
  });

  it('takes the lines of comments for examples', () => {
    assert.deepEqual(errorCodesIn(`/**\n * code = 'MESH_A'\n */\n// code = 'MESH_B'\n  code = 'MESH_C';`), [
      'MESH_C',
    ]);
  });

  it('refuses a class whose code it cannot see', () => {
    assert.throws(
      () => errorCodesIn(`class AError extends MeshError {\n  code = CODES.a;\n}`),
      /1 classes extend MeshError, but only 0 codes/,
    );
  });
});

describe('documentedErrorCodes', () => {
  it('reads the first column of the table', () => {
    assert.deepEqual(documentedErrorCodes('| code | why |\n| `MESH_A` | not `MESH_B` |\ntext `MESH_C`'), [
      'MESH_A',
    ]);
  });
});
