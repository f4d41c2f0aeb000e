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
        if (held.watchers.size === 0) this.#views.delete(key);
      },
    };
  }

  /** The model changed: rebuilds every living view and tells those whose resources changed. */
  refresh(): void {
    const changed: CachedView<View>[] = [];
    for (const cached of this.#views.values()) if (this.#build(cached)) changed.push(cached);
    this.#store.sweep(this.#used());
    for (const cached of changed) for (const watcher of [...cached.watchers]) watcher(cached.snapshot);
  }

  /** What a view would get, without subscribing; for `plan` and the API. */
  preview(view: View): ProxySnapshot {
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
    const resources = new Map<string, Map<string, EncodedResource>>();
    try {
      for (const raw of this.#options.translate(cached.view)) {
        const byName = resources.get(raw.typeUrl);
        const encoded = this.#store.intern(raw);
        if (byName === undefined) resources.set(raw.typeUrl, new Map([[raw.name, encoded]]));
        else byName.set(raw.name, encoded);
      }
    } catch (cause) {
      this.#options.onTranslationFailure(cached.view, cause);
      return false;
    }
    if (sameResources(cached.snapshot.resources, resources)) return false;
    cached.snapshot = Object.freeze({ resources });
    return true;
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

type ByTypeAndName = ReadonlyMap<string, ReadonlyMap<string, EncodedResource>>;

function sameResources(before: ByTypeAndName, after: ByTypeAndName): boolean {
  if (before.size !== after.size) return false;
  for (const [typeUrl, byName] of after) {
    const old = before.get(typeUrl);
    if (old?.size !== byName.size) return false;
    for (const [name, resource] of byName) if (old.get(name) !== resource) return false;
  }
  return true;
}
