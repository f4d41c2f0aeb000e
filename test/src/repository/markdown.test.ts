import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { brokenLinks, npmScriptsIn } from './markdown.js';
import { repositoryRoot, trackedFiles } from './repository-files.js';

const documents = trackedFiles().filter((file) => file.endsWith('.md'));

describe('the documents', () => {
  it('link only to files and headings that exist', () => {
    assert.ok(documents.length >= 5, `only ${documents.length} documents were read`);
    const broken = brokenLinks(repositoryRoot, documents);
    assert.deepEqual(
      broken.map(({ file, line, target }) => `${file}:${line} → ${target}`),
      [],
    );
  });

  it('name only npm scripts that exist', () => {
    const scripts = scriptsOf('package.json');
    for (const file of documents) {
      const own = path.posix.join(path.posix.dirname(file), 'package.json');
      const known = new Set([...scripts, ...(trackedFiles().includes(own) ? scriptsOf(own) : [])]);
      const named = npmScriptsIn(readFileSync(path.join(repositoryRoot, file), 'utf8'));
      const unknown = [...named].filter((name) => !known.has(name));
      assert.deepEqual(unknown, [], `${file} names npm scripts that do not exist`);
    }
  });

  it('tell the two commands before anything else', () => {
    const readme = readFileSync(path.join(repositoryRoot, 'README.md'), 'utf8');
    const firstBlock = /```\w*\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
    assert.deepEqual([...npmScriptsIn(firstBlock)].sort(), ['demo', 'test']);
    assert.ok(readme.indexOf('```') < readme.indexOf('\n## '), 'a heading comes before the commands');
  });
});

describe('brokenLinks', () => {
  it('finds links to missing files and headings, and only those', (t) => {
    const root = temporaryTree(t, {
      'a.md': [
        '# The `first` part',
        '[there](docs/b.md) [missing](docs/c.md) [heading](#the-first-part) [none](#the-second-part)',
        '[far](docs/b.md#deep) [farther](docs/b.md#deeper) [web](https://example.com/x) `[code](nowhere.md)`',
        '```',
        '[fenced](nowhere.md)',
        '```',
        '[outside](../../../etc/hostname) ![picture](missing.png "title")',
        '[reference]: gone.md',
      ].join('\n'),
      'docs/b.md': '## Deep\n',
    });
    assert.deepEqual(
      brokenLinks(root, ['a.md', 'docs/b.md']).map(({ line, target }) => `${line} ${target}`),
      [
        '2 docs/c.md',
        '2 #the-second-part',
        '3 docs/b.md#deeper',
        '7 ../../../etc/hostname',
        '7 missing.png',
        '8 gone.md',
      ],
    );
  });
});

describe('npmScriptsIn', () => {
  it('finds the scripts that a text tells people to run', () => {
    const found = npmScriptsIn(
      '`npm run demo -- --check`, npm test, npm run --if-present test:long, npm install',
    );
    assert.deepEqual([...found], ['demo', 'test', 'test:long']);
  });
});

function scriptsOf(file: string): string[] {
  const parsed = JSON.parse(readFileSync(path.join(repositoryRoot, file), 'utf8')) as {
    scripts?: Record<string, string>;
  };
  return Object.keys(parsed.scripts ?? {});
}

function temporaryTree(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(path.join(os.tmpdir(), 'heddle-markdown-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
  return root;
}
