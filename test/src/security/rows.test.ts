import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { repositoryRoot } from '../repository/repository-files.js';

/** How many rows each section has. */
const SECTIONS = { 1: 40, 2: 12, 4: 36, 5: 9 };
const DOCUMENT = 'docs/security-tests.md';

describe('the rows of docs/security-tests.md', () => {
  const rows = rowsOf(readFileSync(join(repositoryRoot, DOCUMENT), 'utf8'));

  it('are all there, each with a test or a reason', () => {
    const wanted = Object.entries(SECTIONS).flatMap(([section, count]) =>
      Array.from({ length: count }, (_, i) => `${section}.${i + 1}`),
    );
    assert.deepEqual([...rows.keys()], wanted);
    for (const [row, where] of rows) assert.ok(where.length > 0, row);
  });

  it('name tests that name them', () => {
    let named = 0;
    for (const [row, where] of rows) {
      for (const [, file = ''] of where.matchAll(/\]\((\S*test\/src\/security\/\S+)\)/g)) {
        const text = readFileSync(resolve(repositoryRoot, 'docs', file), 'utf8');
        assert.match(text, new RegExp(`['\`,] ?${row.replace('.', '\\.')}[ ',]`), `${row} in ${file}`);
        named++;
      }
    }
    assert.ok(named >= 80, String(named));
  });
});

/** The last column of each row of the table, by the first. */
function rowsOf(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  return new Map(
    lines.flatMap(([, row = '', , where = '']) => (/^\d\.\d+$/.test(row) ? [[row, where]] : [])),
  );
}
