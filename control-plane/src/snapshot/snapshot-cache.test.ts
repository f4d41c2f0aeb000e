import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RawResource } from './resource-store.js';
import { SnapshotCache } from './snapshot-cache.js';

describe('SnapshotCache', () => {
  it('translates once for all proxies of one view and shares the encoded resources between views', () => {
    const { cache, translations } = setup(() => [resource('a', 'one')]);
    const first = cache.subscribe('v1', () => undefined);
    const second = cache.subscribe('v1', () => undefined);
    const other = cache.subscribe('v2', () => undefined);
    assert.deepEqual(translations, ['v1', 'v2']);
    assert.equal(first.current, second.current);
    assert.equal(
      first.current.resources.get('type')?.get('a'),
      other.current.resources.get('type')?.get('a'),
    );
    assert.equal(cache.resources, 1);
  });

  it('wakes only the views whose resources changed, and keeps the unchanged resources', () => {
    let content = 'one';
    const { cache } = setup((view) => [
      resource('a', view === 'v1' ? content : 'fixed'),
      resource('b', 'fixed'),
    ]);
    const woken: string[] = [];
    const first = cache.subscribe('v1', () => woken.push('v1'));
    cache.subscribe('v2', () => woken.push('v2'));
    const unchanged = first.current.resources.get('type')?.get('b');
    content = 'two';
    cache.refresh();
    assert.deepEqual(woken, ['v1']);
    assert.equal(first.current.resources.get('type')?.get('b'), unchanged);
    assert.equal(Buffer.from(first.current.resources.get('type')?.get('a')?.value ?? []).toString(), 'two');
  });

  it('puts a part that changed into every view that has it, shares the result, and keeps the rest', () => {
    const { cache } = setup(() => [resource('a', 'one'), resource('b', 'one')]);
    const woken: string[] = [];
    const first = cache.subscribe('v1', () => woken.push('v1'));
    const second = cache.subscribe('v2', () => woken.push('v2'));
    const before = first.current.resources.get('type');
    assert.equal(before, second.current.resources.get('type'));
    cache.refreshPart(() => [resource('a', 'two')]);
    assert.deepEqual(woken, ['v1', 'v2']);
    const after = first.current.resources.get('type');
    assert.equal(after, second.current.resources.get('type'));
    assert.equal(Buffer.from(after?.get('a')?.value ?? []).toString(), 'two');
    assert.equal(after?.get('b'), before?.get('b'));
    cache.refreshPart(() => [resource('a', 'two')]);
    assert.equal(woken.length, 2, 'the same again wakes nobody');
  });

  it('holds no more than what is served, however often a part changes', () => {
    const { cache } = setup(() => [resource('a', 'one')]);
    cache.subscribe('v1', () => undefined);
    for (let i = 0; i < 5_000; i++) cache.refreshPart(() => [resource('a', String(i))]);
    assert.ok(cache.resources <= 2_000, String(cache.resources));
  });

  it('forgets a view with its last proxy, and drops resources that nobody is served', () => {
    let content = 'one';
    const { cache } = setup(() => [resource('a', content)]);
    const subscription = cache.subscribe('v1', () => undefined);
    content = 'two';
    cache.refresh();
    assert.equal(cache.resources, 1);
    subscription.release();
    assert.equal(cache.views, 0);
    cache.refresh();
    assert.equal(cache.resources, 0);
  });

  it('keeps the last snapshot of a view whose translation throws', () => {
    let broken = false;
    const { cache, failures } = setup(() => {
      if (broken) throw new Error('bug');
      return [resource('a', 'one')];
    });
    const { current } = cache.subscribe('v1', () => assert.fail('nothing changed'));
    broken = true;
    cache.refresh();
    assert.deepEqual(failures, ['v1']);
    assert.equal(current.resources.get('type')?.size, 1);
  });
});

function resource(name: string, value: string): RawResource {
  return { typeUrl: 'type', name, value: Buffer.from(value) };
}

function setup(translate: (view: string) => RawResource[]) {
  const translations: string[] = [];
  const failures: string[] = [];
  const cache = new SnapshotCache<string>({
    translate: (view) => {
      translations.push(view);
      return translate(view);
    },
    keyOf: (view) => view,
    onTranslationFailure: (view) => failures.push(view),
  });
  return { cache, translations, failures };
}
