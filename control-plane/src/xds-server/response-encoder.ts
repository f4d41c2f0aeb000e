import { createHash } from 'node:crypto';
import type { ResourcesByName } from '../snapshot/diff-resources.js';
import type { EncodedResource } from '../snapshot/encoded-resource.js';

/**
 * Writes discovery responses out of resources that are encoded already: bytes are only put together, never re-encoded.
 * Source: envoy.service.discovery.v3.DiscoveryResponse and DeltaDiscoveryResponse (field numbers below).
 */

/** A full (LDS, CDS) or partial (EDS, RDS) state-of-the-world answer. */
export function encodeSotwResponse(
  typeUrl: string,
  versionInfo: string,
  nonce: string,
  resources: readonly EncodedResource[],
): Buffer {
  const parts: Uint8Array[] = [lengthDelimited(1, Buffer.from(versionInfo))];
  for (const resource of resources) parts.push(header(2, resource.any.length), resource.any);
  parts.push(lengthDelimited(4, Buffer.from(typeUrl)), lengthDelimited(5, Buffer.from(nonce)));
  return Buffer.concat(parts);
}

/** An incremental answer: what is new or changed, and the names of what is gone. */
export function encodeDeltaResponse(
  typeUrl: string,
  systemVersionInfo: string,
  nonce: string,
  resources: readonly EncodedResource[],
  removed: readonly string[],
): Buffer {
  const parts: Uint8Array[] = [lengthDelimited(1, Buffer.from(systemVersionInfo))];
  for (const resource of resources) parts.push(deltaEntry(resource));
  parts.push(lengthDelimited(4, Buffer.from(typeUrl)), lengthDelimited(5, Buffer.from(nonce)));
  for (const name of removed) parts.push(lengthDelimited(6, Buffer.from(name)));
  return Buffer.concat(parts);
}

/** One version for a set of resources: equal sets have equal versions, on every replica and after every restart. */
export function versionOf(resources: Iterable<EncodedResource>): string {
  const lines: string[] = [];
  for (const resource of resources) lines.push(`${resource.name} ${resource.version}`);
  return createHash('sha256').update(lines.sort().join('\n')).digest('base64url').slice(0, 16);
}

const versions = new WeakMap<ResourcesByName, string>();

/** The version of everything there is of a type; made once for each state of it. */
export function versionOfAll(resources: ResourcesByName): string {
  let version = versions.get(resources);
  if (version === undefined) versions.set(resources, (version = versionOf(resources.values())));
  return version;
}

const deltaEntries = new WeakMap<EncodedResource, Buffer>();

/** One `resources` field of an incremental answer. Source: envoy.service.discovery.v3.Resource. Kept per resource: every delta proxy gets the same bytes. */
function deltaEntry(resource: EncodedResource): Buffer {
  let entry = deltaEntries.get(resource);
  if (entry === undefined) {
    const fields = Buffer.concat([
      lengthDelimited(1, Buffer.from(resource.version)),
      lengthDelimited(2, resource.any),
      lengthDelimited(3, Buffer.from(resource.name)),
    ]);
    entry = lengthDelimited(2, fields);
    deltaEntries.set(resource, entry);
  }
  return entry;
}

function lengthDelimited(field: number, value: Uint8Array): Buffer {
  return value.length === 0 ? Buffer.alloc(0) : Buffer.concat([header(field, value.length), value]);
}

/** A protobuf tag of wire type 2 and its length as a varint. */
function header(field: number, length: number): Uint8Array {
  const bytes = [(field << 3) | 2];
  for (let rest = length; ; rest >>>= 7) {
    if (rest < 0x80) {
      bytes.push(rest);
      return Uint8Array.from(bytes);
    }
    bytes.push((rest & 0x7f) | 0x80);
  }
}
