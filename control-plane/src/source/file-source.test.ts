import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FakeClock, silentLogger, systemClock } from '@heddle/common';
import fc from 'fast-check';
import { buildModel } from '../model/build-model.js';
import {
  createFileSource,
  type FileSource,
  type FileSourceOptions,
  type SourceChange,
} from './file-source.js';
import { formatProblem } from './format-problem.js';
import { parseMeshFile } from './parse-mesh-file.js';

const broken = fileURLToPath(new URL('../../testdata/broken/', import.meta.url));
const update = process.env['HEDDLE_UPDATE_GOLDENS'] === '1';
const files = readdirSync(broken)
  .filter((name) => name.endsWith('.yaml'))
  .sort();
const folders: string[] = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

const goodService = `apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { ports: [{ name: http, port: 9080 }] }
`;

describe('broken files', () => {
  it('are at least forty', () => assert.ok(files.length >= 40));

  for (const file of files) {
    it(`names the mistakes of ${file}`, async () => {
      const { source, changes, folder } = open({ [file]: readFileSync(join(broken, file), 'utf8') });
      await source.ready;
      source.close();
      const text = (changes[0]?.problems ?? []).map((problem) =>
        formatProblem(problem).replaceAll(`${folder}/`, ''),
      );
      const actual = `${text.join('\n\n')}\n`;
      const golden = join(broken, file.replace(/yaml$/, 'txt'));
      if (update) writeFileSync(golden, actual);
      assert.match(actual, /^error: /m);
      assert.equal(actual, readFileSync(golden, 'utf8'));
    });

    it(`changes nothing when ${file} takes the place of good resources`, async () => {
      const text = readFileSync(join(broken, file), 'utf8');
      const good = everyResource();
      const { source, changes, folder } = open({ 'mesh.yaml': good });
      await source.ready;
      const before = changes[0]?.resources ?? new Map();
      assert.ok(before.size > 5);
      // Added to a file, a mistake must not take the good resources of that file with it.
      writeFileSync(join(folder, 'mesh.yaml'), `${good}---\n${text}`);
      await source.rescan();
      // Put in the place of a file, it must leave what it cannot tell to have been removed.
      writeFileSync(join(folder, 'mesh.yaml'), text);
      await source.rescan();
      source.close();
      const named = new Set(parseMeshFile(text, file).refused);
      const { unreadable } = parseMeshFile(text, file);
      const now = changes.at(-1)?.resources ?? new Map();
      for (const [key, resource] of before) {
        if (unreadable || named.has(key)) assert.equal(now.get(key)?.contentHash, resource.contentHash, key);
      }
      assert.ok((changes.at(-1)?.problems.length ?? 0) > 0);
    });
  }
});

describe('createFileSource', () => {
  it('reads all folders, formats and Lists before it tells anything', async () => {
    const list = {
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'v1', kind: 'Service', metadata: { name: 'listed' }, spec: { ports: [{ port: 80 }] } },
      ],
    };
    const { source, changes } = open({
      'a.yaml': goodService,
      'deep/er/b.yml': goodService.replace('name: reviews', 'name: deep'),
      'c.json': JSON.stringify(list),
      'ignored.txt': 'not read',
      '.hidden.yaml': 'kind: [',
    });
    await source.ready;
    source.close();
    assert.equal(changes.length, 1);
    assert.deepEqual([...(changes[0]?.resources.keys() ?? [])].sort(), [
      'Service/default/deep',
      'Service/default/listed',
      'Service/default/reviews',
    ]);
    assert.deepEqual(changes[0]?.problems, []);
  });

  it('keeps every resource of a file that can no longer be read, and takes them away with the file', async () => {
    const { source, changes, folder } = open({ 'a.yaml': goodService });
    await source.ready;
    writeFileSync(join(folder, 'a.yaml'), 'kind: "');
    await source.rescan();
    assert.deepEqual(changes.at(-1)?.changed, []);
    assert.deepEqual(changes.at(-1)?.removed, []);
    assert.equal(changes.at(-1)?.problems.length, 1);
    rmSync(join(folder, 'a.yaml'));
    await source.rescan();
    source.close();
    assert.deepEqual(changes.at(-1)?.removed, ['Service/default/reviews']);
    assert.deepEqual(changes.at(-1)?.problems, []);
  });

  it('keeps every resource of a file that is empty, as one is while it is written in place', async () => {
    const { source, changes, folder } = open({ 'a.yaml': goodService, 'new.yaml': '' });
    const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
    await source.ready;
    assert.deepEqual(changes[0]?.problems, []);
    write('a.yaml', '');
    await source.rescan();
    assert.deepEqual([...(changes.at(-1)?.resources.keys() ?? [])], ['Service/default/reviews']);
    assert.match(changes.at(-1)?.problems[0]?.message ?? '', /is empty/);
    write('a.yaml', goodService.replace('reviews', 'ratings'));
    await source.rescan();
    assert.deepEqual([...(changes.at(-1)?.resources.keys() ?? [])], ['Service/default/ratings']);
    assert.deepEqual(changes.at(-1)?.problems, []);
    write('a.yaml', '# nothing any more');
    await source.rescan();
    assert.equal(changes.at(-1)?.resources.size, 0);
    write('a.yaml', goodService);
    await source.rescan();
    write('a.yaml', '');
    await source.rescan();
    rmSync(join(folder, 'a.yaml'));
    await source.rescan();
    source.close();
    assert.equal(changes.at(-1)?.resources.size, 0);
  });

  it('keeps the last good version of the bad resource while its neighbours in the file change', async () => {
    const other = goodService.replace('name: reviews', 'name: details');
    const { source, changes, folder } = open({ 'a.yaml': `${goodService}---\n${other}` });
    await source.ready;
    const bad = goodService.replace('port: 9080', 'port: 0');
    writeFileSync(join(folder, 'a.yaml'), `${bad}---\n${other.replace('9080', '9090')}`);
    await source.rescan();
    source.close();
    const change = changes.at(-1);
    assert.deepEqual(change?.changed, ['Service/default/details']);
    assert.deepEqual(change?.resources.get('Service/default/reviews')?.spec, {
      ports: [{ name: 'http', port: 9080 }],
    });
  });

  it('says nothing when only the place or the spelling of a resource changed', async () => {
    const { source, changes, folder } = open({ 'a.yaml': goodService });
    await source.ready;
    writeFileSync(join(folder, 'a.yaml'), `# a comment\n\n${goodService}`);
    await source.rescan();
    source.close();
    assert.equal(changes.length, 1);
  });

  it('keeps the first of two resources with one name, and names both places', async () => {
    const { source, changes } = open({ 'a.yaml': goodService, 'b.yaml': goodService.replace('9080', '1') });
    await source.ready;
    source.close();
    const [problem] = changes[0]?.problems ?? [];
    assert.match(problem?.file ?? '', /b\.yaml$/);
    assert.match(problem?.message ?? '', /a\.yaml:1/);
    assert.deepEqual(changes[0]?.resources.get('Service/default/reviews')?.spec, {
      ports: [{ name: 'http', port: 9080 }],
    });
  });

  it('keeps the one that is in force when a new file repeats it, whatever the names of the files', async () => {
    const { source, changes, folder } = open({ 'routes.yaml': goodService });
    await source.ready;
    writeFileSync(join(folder, 'a-copy.yaml'), goodService.replace('9080', '1'));
    await source.rescan();
    source.close();
    const last = changes.at(-1);
    assert.equal(last?.resources.get('Service/default/reviews')?.origin.file.endsWith('routes.yaml'), true);
    assert.deepEqual(last?.changed, []);
    assert.match(last?.problems[0]?.file ?? '', /a-copy\.yaml$/);
  });

  it('follows a resource that moved into another file while its old file is broken', async () => {
    const { source, changes, folder } = open({ 'a.yaml': goodService });
    await source.ready;
    writeFileSync(join(folder, 'a.yaml'), 'kind: "');
    writeFileSync(join(folder, 'b.yaml'), goodService.replace('9080', '9090'));
    await source.rescan();
    source.close();
    assert.deepEqual(changes.at(-1)?.changed, ['Service/default/reviews']);
  });

  it('bounds files, their size and resources, and says what it left out', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const texts = Object.fromEntries(
      names.map((name) => [`${name}.yaml`, goodService.replace('reviews', name)]),
    );
    const limits: Partial<FileSourceOptions>[] = [{ maxFiles: 2 }, { maxFileBytes: 10 }, { maxResources: 3 }];
    for (const limit of limits) {
      const { source, changes } = open(texts, limit);
      await source.ready;
      source.close();
      assert.ok((changes[0]?.resources.size ?? 9) < 4);
      assert.ok(changes[0]?.problems.some(({ message }) => message.includes('more than')));
    }
  });

  it('sees files that are written, renamed over others and removed, without being asked', async () => {
    const { source, next, folder } = open(
      { 'a.yaml': goodService },
      { clock: systemClock, debounceMs: 10, rescanMs: 100 },
    );
    await source.ready;
    await next();
    writeFileSync(join(folder, '.a.swp'), goodService.replace('9080', '9090'));
    renameSync(join(folder, '.a.swp'), join(folder, 'a.yaml'));
    assert.deepEqual((await next()).changed, ['Service/default/reviews']);
    mkdirSync(join(folder, 'new'));
    writeFileSync(join(folder, 'new', 'b.yaml'), goodService.replace('reviews', 'details'));
    assert.deepEqual((await next()).changed, ['Service/default/details']);
    rmSync(join(folder, 'a.yaml'));
    assert.deepEqual((await next()).removed, ['Service/default/reviews']);
    source.close();
  });

  it('leaves no timer behind', async () => {
    const clock = new FakeClock();
    const { source } = open({ 'a.yaml': goodService }, { clock });
    await source.ready;
    assert.equal(clock.pendingTimers, 1);
    source.close();
    assert.equal(clock.pendingTimers, 0);
  });
});

describe('parseMeshFile', () => {
  it('refuses quickly what would exhaust the parser', () => {
    const hostile = [
      '- '.repeat(300_000),
      '? '.repeat(100_000),
      '&a - '.repeat(100_000),
      '[1,'.repeat(900),
      `a: |\n${' '.repeat(500_000)}x`,
    ];
    for (const text of hostile) {
      const { problems, unreadable } = parseMeshFile(text, 'x.yaml');
      assert.ok(problems.length > 0 && unreadable);
    }
  });

  it('never throws, whatever the text, and what it accepts can be built', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), yamlLike(), mutated()), (text) => {
        const { resources, problems } = parseMeshFile(text, 'x.yaml');
        for (const problem of problems) formatProblem(problem);
        buildModel(new Map(resources.map((resource) => [resource.key, resource])));
      }),
      { numRuns: 600 },
    );
  });
});

function yamlLike(): fc.Arbitrary<string> {
  const words = [
    'kind: ',
    'Service',
    '\n',
    '  ',
    '- ',
    'apiVersion: v1',
    'spec:',
    '{',
    '}',
    '[',
    ']',
    '*a',
    '&a ',
    '"',
    "'",
    '|',
    '>',
    '? ',
    ': ',
    '---\n',
    '!!binary ',
    '<<: ',
    '\t',
    '#',
    '__proto__: ',
    '\u0000',
  ];
  return fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((parts) => parts.join(''));
}

/** Good resources with one value replaced by another. */
function mutated(): fc.Arbitrary<string> {
  return fc.tuple(fc.nat(), fc.jsonValue()).map(([at, value]) => {
    const lines = everyResource().split('\n');
    const i = at % lines.length;
    lines[i] = (lines[i] ?? '').replace(/: .*/, `: ${JSON.stringify(value)}`);
    return lines.join('\n');
  });
}

let every: string | undefined;
/** Good resources of each kind. */
function everyResource(): string {
  every ??= ['every-match', 'http-route', 'service-entries', 'workloads-with-addresses']
    .map((name) => readFileSync(join(broken, '..', 'translate', name, 'input.yaml'), 'utf8'))
    .join('---\n');
  return every;
}

function open(
  texts: Readonly<Record<string, string>>,
  options: Partial<FileSourceOptions> = {},
): { source: FileSource; changes: SourceChange[]; folder: string; next: () => Promise<SourceChange> } {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-source-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(texts)) {
    mkdirSync(join(folder, name.slice(0, -basename(name).length)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const changes: SourceChange[] = [];
  let taken = 0;
  let wake: (() => void) | undefined;
  const onChange = (change: SourceChange): void => {
    changes.push(change);
    wake?.();
  };
  const next = async (): Promise<SourceChange> => {
    while (changes.length === taken) await new Promise<void>((resolve) => (wake = resolve));
    return changes[taken++] as SourceChange;
  };
  const source = createFileSource({
    folders: [folder],
    log: silentLogger,
    clock: new FakeClock(),
    onChange,
    ...options,
  });
  return { source, changes, folder, next };
}
