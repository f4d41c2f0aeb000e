import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ALL_SUITES } from './all-suites.js';
import { DIFFERENCES } from './differences.js';

/** Shown elsewhere: by the way addresses are read, and by tests of connections and of HTTP/2, which rows of requests do not see. */
const OF_EVERY_ROW = new Set([
  'loopback-in-x-forwarded-for',
  'connections-are-judged-when-they-are-made',
  'one-stream-of-http2-at-a-time',
  'the-case-of-what-the-proxy-writes-itself',
  'one-protocol-for-plain-text',
]);

describe('docs/differences.md', () => {
  const text = readFileSync(new URL('../../../docs/differences.md', import.meta.url), 'utf8');
  const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));

  it('explains every difference, and nothing that no row shows', () => {
    assert.deepEqual([...headings].sort(), [...Object.keys(DIFFERENCES), ...OF_EVERY_ROW].sort());
  });

  it('is referred to by rows that exist', () => {
    for (const [heading, byFile] of Object.entries(DIFFERENCES)) {
      for (const [file, titles] of Object.entries(byFile)) {
        const rows = ALL_SUITES.find((suite) => suite.file === file)?.rows ?? [];
        for (const title of titles) {
          assert.ok(
            rows.some((row) => row.title === title),
            `${heading}: ${file} has no row ${title}`,
          );
        }
      }
    }
  });
});

describe('the tables of requests', () => {
  for (const { file, rows } of ALL_SUITES) {
    it(`of ${file} name every row once`, () => {
      assert.equal(new Set(rows.map(({ title }) => title)).size, rows.length);
    });
  }
});

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');
}
