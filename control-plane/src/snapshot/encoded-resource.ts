/**
 * One xDS resource, encoded once and shared by every proxy that gets it.
 *
 * Shape: `version` is a hash of the content, so that replicas and restarts agree on it and resend nothing;
 * `any` is the encoded `google.protobuf.Any` (type URL and value), ready to be placed into a response.
 */
export interface EncodedResource {
  readonly typeUrl: string;
  readonly name: string;
  readonly version: string;
  readonly any: Uint8Array;
  /** The encoded resource itself, the value inside `any`. */
  readonly value: Uint8Array;
}

/** Everything that proxies of one view get, by type URL and resource name. Immutable; unchanged resources are the same objects. */
export interface ProxySnapshot {
  readonly resources: ReadonlyMap<string, ReadonlyMap<string, EncodedResource>>;
}
