import { describeError } from '@heddle/common';
import type { Problem } from '@heddle/engine';
import { envoy } from '@heddle/xds-protos';
import type { RefusedResource } from '../discovered-resources.js';
import type { ResourceType } from './resource-type.js';
import { wireName } from './wire-name.js';

/** A resource that was accepted: what it said and what it became. */
export interface HeldResource<T> {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
  readonly value: T;
  /** Wall clock. */
  readonly updatedAtMs: number;
}

/** What a server sent of one type, in either variant of the protocol. */
export interface ResourceUpdate {
  readonly resources: readonly ReceivedResource[];
  readonly removed: readonly string[];
  /** Everything that is not among `resources` is gone. */
  readonly complete: boolean;
}

export interface ReceivedResource {
  /** undefined in the state-of-the-world variant: the resource itself has it. */
  readonly name: string | undefined;
  readonly version: string;
  /** Empty in the delta variant, where a server says that there is no such resource. */
  readonly typeUrl: string;
  readonly bytes: Uint8Array;
  /** Delta: other names by which it was asked for. */
  readonly aliases?: readonly string[];
}

/** One thing wrong with a received resource. */
export interface ResourceProblem {
  readonly resource: string;
  readonly message: string;
}

/** An update, checked, that `commit` makes the state. */
export interface StagedUpdate<T> {
  readonly changed: readonly HeldResource<T>[];
  readonly removed: readonly string[];
  readonly problems: readonly ResourceProblem[];
  readonly refused: readonly RefusedResource[];
  /** The same content under another version. */
  readonly renewed: readonly HeldResource<T>[];
  /** What was accepted with something in it that has no effect. */
  readonly warnings: readonly ResourceProblem[];
}

/** Envoy's wrapper of a resource, allowed in state-of-the-world answers too. */
const WRAPPER = `type.googleapis.com/${envoy.service.discovery.v3.Resource.typeName}`;
const NOTHING = new Uint8Array(0);

/**
 * All resources of one type as they were last accepted, by name, and what was last refused.
 *
 * Each resource stands alone: the good ones of a partly bad update count, and for the others the last good stays.
 * Content that did not change is not decoded again.
 */
export class ResourceSet<T> {
  readonly type: ResourceType<T>;
  readonly #held = new Map<string, HeldResource<T>>();
  readonly #refused = new Map<string, RefusedResource>();

  constructor(type: ResourceType<T>) {
    this.type = type;
  }

  get(name: string): HeldResource<T> | undefined {
    return this.#held.get(name);
  }

  /** In order of names. */
  held(): readonly HeldResource<T>[] {
    return [...this.#held.values()].sort(byName);
  }

  refused(): readonly RefusedResource[] {
    return [...this.#refused.values()].sort(byName);
  }

  get size(): number {
    return this.#held.size;
  }

  /** Name and version of everything held, as a delta stream tells them when it begins. */
  versions(): Record<string, string> {
    const versions: Record<string, string> = {};
    for (const { name, version } of this.#held.values()) {
      Object.defineProperty(versions, name, { value: version, enumerable: true, configurable: true });
    }
    return versions;
  }

  /** Checks an update and changes nothing yet. */
  stage(update: ResourceUpdate, nowMs: number): StagedUpdate<T> {
    const changed: HeldResource<T>[] = [];
    const renewed: HeldResource<T>[] = [];
    const problems: ResourceProblem[] = [];
    const warnings: ResourceProblem[] = [];
    const refused: RefusedResource[] = [];
    const seen = new Map<string, ReceivedResource>();
    const duplicates = new Set<string>();

    for (const received of update.resources) {
      const named = this.#unwrap(received);
      if ('problem' in named) {
        problems.push({ resource: received.name ?? '', message: named.problem });
        continue;
      }
      if (seen.has(named.name)) duplicates.add(named.name);
      else seen.set(named.name, named);
    }
    for (const [name, received] of seen) {
      const refuse = (found: readonly Problem[]): void => {
        for (const { path, message } of found) {
          problems.push({ resource: name, message: path === '' ? message : `${path}: ${message}` });
        }
        const details = found.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
        refused.push({
          name,
          version: received.version,
          bytes: received.bytes.slice(),
          details: details.join('\n').slice(0, MAX_DETAILS),
          atMs: nowMs,
        });
      };
      if (duplicates.has(name)) {
        refuse([{ path: '', message: 'is there more than once in one answer' }]);
        continue;
      }
      const before = this.#held.get(name);
      if (before !== undefined && Buffer.compare(before.bytes, received.bytes) === 0) {
        renewed.push({ ...before, version: received.version });
        continue;
      }
      try {
        const translated = this.type.translate(received.bytes);
        if (!translated.ok) {
          refuse(translated.problems);
          continue;
        }
        for (const { path, message } of translated.warnings) {
          warnings.push({ resource: name, message: path === '' ? message : `${path}: ${message}` });
        }
        // A copy: the received bytes are a view that keeps the whole answer alive.
        const bytes = received.bytes.slice();
        changed.push({ name, version: received.version, bytes, value: translated.value, updatedAtMs: nowMs });
      } catch (thrown) {
        refuse([{ path: '', message: `cannot be decoded: ${describeError(thrown)}` }]);
      }
    }
    const removed = new Set(update.removed.filter((name) => this.#held.has(name) && !seen.has(name)));
    if (update.complete) for (const name of this.#held.keys()) if (!seen.has(name)) removed.add(name);
    return { changed, removed: [...removed], problems, refused, renewed, warnings };
  }

  /** Makes a staged update the state, except for resources that were refused when they were applied. */
  commit(staged: StagedUpdate<T>, refusedByName: ReadonlyMap<string, string> = new Map()): void {
    for (const name of staged.removed) {
      this.#held.delete(name);
      this.#refused.delete(name);
    }
    for (const resource of staged.changed) {
      const details = refusedByName.get(resource.name);
      if (details !== undefined) {
        const { name, version, bytes, updatedAtMs } = resource;
        this.#refused.set(name, { name, version, bytes, details, atMs: updatedAtMs });
        continue;
      }
      this.#held.set(resource.name, resource);
      this.#refused.delete(resource.name);
    }
    for (const resource of staged.renewed) {
      this.#held.set(resource.name, resource);
      this.#refused.delete(resource.name);
    }
    for (const resource of staged.refused) this.#refused.set(resource.name, resource);
    this.#boundRefused();
  }

  /** Forgets resources that nobody refers to any more. */
  forget(names: Iterable<string>): void {
    for (const name of names) {
      this.#held.delete(name);
      this.#refused.delete(name);
    }
  }

  /** A server can refuse to stop sending bad resources under ever new names. */
  #boundRefused(): void {
    for (const name of this.#refused.keys()) {
      if (this.#refused.size <= MAX_REFUSED) return;
      this.#refused.delete(name);
    }
  }

  #unwrap(received: ReceivedResource): (ReceivedResource & { name: string }) | { problem: string } {
    let { name, version, typeUrl, bytes } = received;
    if (typeUrl === WRAPPER && name === undefined) {
      try {
        const wrapper = envoy.service.discovery.v3.Resource.decode(bytes);
        name = wrapper.name === '' ? undefined : wrapper.name;
        version = wrapper.version === '' ? version : wrapper.version;
        typeUrl = wrapper.resource?.typeUrl ?? '';
        bytes = wrapper.resource?.value ?? NOTHING;
      } catch (thrown) {
        return { problem: `a wrapped resource cannot be decoded: ${describeError(thrown)}` };
      }
    }
    if (typeUrl !== this.type.typeUrl) {
      return { problem: `expected ${this.type.typeUrl}, found ${typeUrl === '' ? 'nothing' : typeUrl}` };
    }
    if (this.type.onlyName !== undefined) {
      return { name: name === undefined || name === '' ? this.type.onlyName : name, version, typeUrl, bytes };
    }
    if (this.type.isNamedApart === true && name !== undefined) return { name, version, typeUrl, bytes };
    const own = wireName(bytes);
    if (own === undefined) {
      return name === undefined
        ? { problem: 'a resource cannot be decoded, not even its name' }
        : { name, version, typeUrl, bytes };
    }
    if (own === '') return { problem: 'a resource has no name' };
    if (name !== undefined && name !== own) {
      return { problem: `is sent under this name, but calls itself "${own}"` };
    }
    return { name: own, version, typeUrl, bytes };
  }
}

const MAX_REFUSED = 1000;
const MAX_DETAILS = 16_384;

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
