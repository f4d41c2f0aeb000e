import { createHash } from 'node:crypto';
import { google } from '@heddle/xds-protos';
import type { EncodedResource } from './encoded-resource.js';

/** A resource as translation makes it: encoded, not yet shared. */
export interface RawResource {
  readonly typeUrl: string;
  readonly name: string;
  readonly value: Uint8Array;
}

/**
 * Holds each distinct resource once, however many proxies get it.
 *
 * Equal content under one name gives the same object and the same version, before and after any number of rebuilds.
 * Bounds: what no living snapshot used in the last sweep is dropped, so that it holds what is served and nothing else.
 */
export class ResourceStore {
  readonly #resources = new Map<string, EncodedResource>();
  /** The same raw object is hashed once. */
  readonly #seen = new WeakMap<RawResource, { readonly key: string; readonly resource: EncodedResource }>();

  /** The shared form of `raw`; made when its content is new. */
  intern(raw: RawResource): EncodedResource {
    const seen = this.#seen.get(raw);
    if (seen !== undefined) {
      const kept = this.#resources.get(seen.key) ?? seen.resource;
      this.#resources.set(seen.key, kept);
      return kept;
    }
    const version = createHash('sha256').update(raw.value).digest('base64url').slice(0, 16);
    const key = keyOf(raw.typeUrl, raw.name, version);
    const known = this.#resources.get(key);
    if (known !== undefined) {
      this.#seen.set(raw, { key, resource: known });
      return known;
    }
    const resource: EncodedResource = Object.freeze({
      typeUrl: raw.typeUrl,
      name: raw.name,
      version,
      value: raw.value,
      any: google.protobuf.Any.encode({ typeUrl: raw.typeUrl, value: raw.value }).finish(),
    });
    this.#resources.set(key, resource);
    this.#seen.set(raw, { key, resource });
    return resource;
  }

  /** Drops everything that is not in `used`. */
  sweep(used: ReadonlySet<EncodedResource>): void {
    for (const [key, resource] of this.#resources) if (!used.has(resource)) this.#resources.delete(key);
  }

  get size(): number {
    return this.#resources.size;
  }
}

function keyOf(typeUrl: string, name: string, version: string): string {
  return `${typeUrl}\u0000${name}\u0000${version}`;
}
