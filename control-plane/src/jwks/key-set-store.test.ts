import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { generateKeyPairSync } from 'node:crypto';
import { createSeededRandom, FakeClock, silentLogger } from '@heddle/common';
import { KeySetFiles } from './key-set-files.js';
import { KeySetStore, MAX_SOURCES } from './key-set-store.js';

const KEYS = jwksOf();
const OTHER_KEYS = jwksOf();
const MINUTE = 60_000;

describe('KeySetStore', () => {
  it('fetches what is wanted at once, and tells when it came', async () => {
    const { store, clock, changes } = setUp(() => Promise.resolve(KEYS));
    const before = store.revision;
    store.want(new Map([['a', undefined]]));
    assert.deepEqual(store.get('a')?.jwks, undefined);
    assert.equal(store.missing, 1);
    await store.settled(5_000);
    clock.advance(100);
    assert.equal(store.get('a')?.jwks, KEYS);
    assert.notEqual(store.revision, before);
    assert.deepEqual([changes.length, store.missing], [1, 0]);
    store.close();
  });

  it('asks again after 20 minutes or so, and tells only of other keys', async () => {
    let keys = KEYS;
    const { store, clock, changes, asked } = setUp(() => Promise.resolve(keys));
    store.want(new Map([['a', undefined]]));
    await store.settled(5_000);
    clock.advance(17 * MINUTE);
    assert.equal(asked.length, 1);
    await passes(clock, 6 * MINUTE);
    assert.equal(asked.length, 2);
    assert.equal(changes.length, 1);
    keys = OTHER_KEYS;
    await passes(clock, 23 * MINUTE);
    clock.advance(100);
    assert.equal(changes.length, 2);
    assert.equal(store.get('a')?.jwks, OTHER_KEYS);
    store.close();
  });

  it('keeps the last good keys while their issuer is away, and says why they grow old', async () => {
    let isAway = false;
    const { store, clock, changes } = setUp(() =>
      isAway ? Promise.reject(new Error('away')) : Promise.resolve(KEYS),
    );
    store.want(new Map([['a', undefined]]));
    await store.settled(5_000);
    clock.advance(100);
    const { revision } = store;
    isAway = true;
    await passes(clock, 24 * 60 * MINUTE);
    assert.deepEqual(
      [store.get('a')?.jwks, store.get('a')?.problem, store.failing, store.missing],
      [KEYS, 'away', 1, 0],
    );
    assert.equal(store.revision, revision);
    assert.equal(changes.length, 2);
    isAway = false;
    await passes(clock, 2 * MINUTE);
    assert.deepEqual([store.get('a')?.problem, store.failing], [undefined, 0]);
    store.close();
  });

  it('asks sooner after a failure, at least once a minute, and does not hammer', async () => {
    const { store, clock, asked } = setUp(() => Promise.reject(new Error('away')));
    store.want(new Map([['a', undefined]]));
    await store.settled(5_000);
    await passes(clock, 60 * MINUTE);
    assert.ok(asked.length > 60 && asked.length < 250, `${asked.length} times in an hour`);
    store.close();
  });

  it('forgets what is wanted no more, also when an answer comes late', async () => {
    const answers: ((keys: string) => void)[] = [];
    const { store, clock, changes } = setUp(() => new Promise((resolve) => answers.push(resolve)));
    store.want(new Map([['a', undefined]]));
    store.want(new Map());
    answers[0]?.(KEYS);
    await passes(clock, 60 * MINUTE);
    assert.equal(store.get('a'), undefined);
    assert.equal(answers.length, 1);
    assert.equal(changes.length <= 1, true);
    store.close();
  });

  it('gives each source the time that its policies give it, five seconds otherwise', async () => {
    const { store, asked } = setUp(() => Promise.resolve(KEYS));
    store.want(
      new Map([
        ['a', undefined],
        ['b', 9_000],
      ]),
    );
    await store.settled(5_000);
    assert.deepEqual(asked, [
      ['a', 5_000],
      ['b', 9_000],
    ]);
    store.close();
  });

  it('has no more than eight fetches under way', async () => {
    let running = 0;
    let most = 0;
    const { store } = setUp(async () => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running--;
      return KEYS;
    });
    store.want(new Map(Array.from({ length: 50 }, (_, i) => [`s${i}`, undefined])));
    await store.settled(5_000);
    assert.equal(most, 8);
    store.close();
  });

  it('fetches no more than a thousand, and says so of the others', () => {
    const { store } = setUp(() => new Promise(() => undefined));
    store.want(new Map(Array.from({ length: MAX_SOURCES + 1 }, (_, i) => [`s${i}`, undefined])));
    assert.match(store.get(`s${MAX_SOURCES}`)?.problem ?? '', /more than 1000/);
    assert.equal(store.size, MAX_SOURCES);
    store.close();
  });

  it('does not wait for ever at the start, nor after its end', async () => {
    const { store, clock } = setUp(() => new Promise(() => undefined));
    store.want(new Map([['a', undefined]]));
    const waiting = store.settled(5_000);
    clock.advance(5_000);
    await waiting;
    const again = store.settled(5_000);
    store.close();
    await again;
  });
});

describe('key sets on disk', () => {
  it('are there after a restart, before their issuer answers', async () => {
    await withFolder(async (folder) => {
      const first = setUp(() => Promise.resolve(KEYS), folder);
      first.store.want(new Map([['a', undefined]]));
      await first.store.settled(5_000);
      first.store.close();
      assert.equal(statSync(join(folder, readdirSync(folder)[0] ?? '')).mode & 0o777, 0o600);

      const { store } = setUp(() => Promise.reject(new Error('away')), folder);
      store.want(new Map([['a', undefined]]));
      await store.settled(0);
      assert.equal(store.get('a')?.jwks, KEYS);
      store.want(new Map());
      assert.deepEqual(readdirSync(folder), []);
      store.close();
    });
  });

  it('are not believed when they are of another source, or broken', async () => {
    await withFolder(async (folder) => {
      const files = new KeySetFiles(folder, silentLogger);
      files.save('a', KEYS);
      const [name = ''] = readdirSync(folder);
      for (const text of [
        '',
        '{',
        'null',
        JSON.stringify({ source: 'b', jwks: KEYS }),
        '{"source":"a","jwks":"{}"}',
      ]) {
        writeFileSync(join(folder, name), text);
        assert.equal(files.load('a'), undefined, text);
      }
      await Promise.resolve();
    });
  });

  it('cost no more than themselves when the folder cannot be written', () => {
    const files = new KeySetFiles('/dev/null/nowhere', silentLogger);
    files.save('a', KEYS);
    files.remove('a');
    assert.equal(files.load('a'), undefined);
  });
});

function setUp(load: (source: string) => Promise<string>, folder?: string) {
  const clock = new FakeClock();
  const changes: string[] = [];
  const asked: (readonly [string, number])[] = [];
  const store: KeySetStore = new KeySetStore({
    load: (source, timeoutMs) => {
      asked.push([source, timeoutMs]);
      return load(source);
    },
    files: folder === undefined ? undefined : new KeySetFiles(folder, silentLogger),
    onChange: () => changes.push(store.revision),
    clock,
    random: createSeededRandom(7),
    log: silentLogger,
  });
  return { store, clock, changes, asked };
}

/** Time goes by in small steps, so that answers come between them. */
async function passes(clock: FakeClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) {
    clock.advance(Math.min(left, 1_000));
    for (let turn = 0; turn < 4; turn++) await Promise.resolve();
  }
}

function jwksOf(): string {
  const { crv, x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
  return JSON.stringify({ keys: [{ kty: 'OKP', crv, x }] });
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-jwks-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
