import { NO_RESOURCES, type ResourcesByName as ByName } from './diff-resources.js';
import type { EncodedResource, ProxySnapshot } from './encoded-resource.js';
import { ResourceStore, type RawResource } from './resource-store.js';

export interface SnapshotCacheOptions<View> {
  /** Pure: everything that proxies of this view get. A throw is a bug: the view's last snapshot stays. */
  readonly translate: (view: View) => Iterable<RawResource>;
  /** Equal keys get equal resources. */
  readonly keyOf: (view: View) => string;
  readonly onTranslationFailure: (view: View, cause: unknown) => void;
}

/** A living interest in one view's snapshot. */
export interface SnapshotSubscription {
  readonly current: ProxySnapshot;
  release(): void;
}

interface CachedView<View> {
  readonly view: View;
  snapshot: ProxySnapshot;
  readonly watchers: Set<(snapshot: ProxySnapshot) => void>;
}

const EMPTY: ProxySnapshot = Object.freeze({ resources: new Map() });

/**
 * One snapshot for each distinct view that some proxy has, rebuilt when the model changed.
 *
 * Resources that did not change stay the same objects, and a view whose resources all stayed keeps its snapshot object
 * and wakes nobody.
 * Bounds: a view is held while at least one subscription of it lives.
 */
export class SnapshotCache<View> {
  readonly #options: SnapshotCacheOptions<View>;
  readonly #store = new ResourceStore();
  readonly #views = new Map<string, CachedView<View>>();
  /** The map last made of each type, for views that hold the same. */
  readonly #lastMaps = new Map<string, ByName>();
  #sweptSize = 0;

  constructor(options: SnapshotCacheOptions<View>) {
    this.#options = options;
  }

  /** `onChange` is called after each rebuild that changed this view's resources, never inside `subscribe`. */
  subscribe(view: View, onChange: (snapshot: ProxySnapshot) => void): SnapshotSubscription {
    const key = this.#options.keyOf(view);
    let cached = this.#views.get(key);
    if (cached === undefined) {
      cached = { view, snapshot: EMPTY, watchers: new Set() };
      this.#build(cached);
      this.#views.set(key, cached);
    }
    const held = cached;
    held.watchers.add(onChange);
    return {
      get current() {
        return held.snapshot;
      },
      release: () => {
        held.watchers.delete(onChange);
        if (held.watchers.size === 0 && this.#views.get(key) === held) this.#views.delete(key);
      },
    };
  }

  /** The model changed: rebuilds every living view and tells those whose resources changed. */
  refresh(): void {
    const changed: CachedView<View>[] = [];
    for (const cached of this.#views.values()) if (this.#build(cached)) changed.push(cached);
    this.#sweep();
    wake(changed);
  }

  /**
   * Nothing but some resources changed, and none came or went: `translate` gives those of each view.
   * Cost: proportional to what changed; views whose resources of a type are all the same go on sharing them.
   */
  refreshPart(translate: (view: View) => Iterable<RawResource>): void {
    const changed: CachedView<View>[] = [];
    const patched = new Map<ReadonlyMap<string, EncodedResource>, Map<string, EncodedResource>[]>();
    for (const cached of this.#views.values()) {
      try {
        if (this.#patch(cached, translate(cached.view), patched)) changed.push(cached);
      } catch (cause) {
        this.#options.onTranslationFailure(cached.view, cause);
      }
    }
    // A sweep looks at everything that is served: rarely enough to cost little for each small change.
    if (this.#store.size > 2 * this.#sweptSize + 1_000) this.#sweep();
    wake(changed);
  }

  /** What a view would get, without subscribing; for `plan` and the API. */
  preview(view: View): ProxySnapshot {
    const served = this.#views.get(this.#options.keyOf(view));
    if (served !== undefined) return served.snapshot;
    const cached: CachedView<View> = { view, snapshot: EMPTY, watchers: new Set() };
    this.#build(cached);
    return cached.snapshot;
  }

  get views(): number {
    return this.#views.size;
  }

  get resources(): number {
    return this.#store.size;
  }

  /** Returns whether anything changed. */
  #build(cached: CachedView<View>): boolean {
    const built = new Map<string, Map<string, EncodedResource>>();
    try {
      for (const raw of this.#options.translate(cached.view)) {
        const byName = built.get(raw.typeUrl);
        const encoded = this.#store.intern(raw);
        if (byName === undefined) built.set(raw.typeUrl, new Map([[raw.name, encoded]]));
        else byName.set(raw.name, encoded);
      }
    } catch (cause) {
      this.#options.onTranslationFailure(cached.view, cause);
      return false;
    }
    const resources = new Map<string, ByName>(built);
    let isSame = cached.snapshot.resources.size === resources.size;
    for (const [typeUrl, byName] of resources) {
      const old = cached.snapshot.resources.get(typeUrl);
      if (old !== undefined && sameByName(old, byName)) resources.set(typeUrl, old);
      else {
        isSame = false;
        resources.set(typeUrl, this.#shared(typeUrl, byName));
      }
    }
    if (isSame) return false;
    cached.snapshot = Object.freeze({ resources });
    return true;
  }

  /** Another view's map with the same content: sessions compare and version each map once. */
  #shared(typeUrl: string, byName: ByName): ByName {
    const last = this.#lastMaps.get(typeUrl);
    if (last !== undefined && sameByName(last, byName)) return last;
    this.#lastMaps.set(typeUrl, byName);
    return byName;
  }

  #patch(
    cached: CachedView<View>,
    changes: Iterable<RawResource>,
    patched: Map<ByName, Map<string, EncodedResource>[]>,
  ): boolean {
    const byType = new Map<string, EncodedResource[]>();
    for (const raw of changes) {
      const resource = this.#store.intern(raw);
      if (cached.snapshot.resources.get(raw.typeUrl)?.get(raw.name) === resource) continue;
      byType.set(raw.typeUrl, [...(byType.get(raw.typeUrl) ?? []), resource]);
    }
    if (byType.size === 0) return false;
    const resources = new Map(cached.snapshot.resources);
    for (const [typeUrl, changed] of byType) {
      const old = resources.get(typeUrl) ?? NO_RESOURCES;
      const known = patched.get(old) ?? [];
      patched.set(old, known);
      let next = known.find((map) => changed.every((resource) => map.get(resource.name) === resource));
      if (next === undefined) {
        next = new Map(old);
        for (const resource of changed) next.set(resource.name, resource);
        known.push(next);
      }
      resources.set(typeUrl, next);
    }
    cached.snapshot = Object.freeze({ resources });
    return true;
  }

  #sweep(): void {
    this.#store.sweep(this.#used());
    this.#sweptSize = this.#store.size;
  }

  #used(): Set<EncodedResource> {
    const used = new Set<EncodedResource>();
    for (const { snapshot } of this.#views.values()) {
      for (const byName of snapshot.resources.values())
        for (const resource of byName.values()) used.add(resource);
    }
    return used;
  }
}

function wake<View>(changed: readonly CachedView<View>[]): void {
  for (const cached of changed) for (const watcher of [...cached.watchers]) watcher(cached.snapshot);
}

function sameByName(before: ByName, after: ByName): boolean {
  if (before.size !== after.size) return false;
  for (const [name, resource] of after) if (before.get(name) !== resource) return false;
  return true;
}
