import { decodePeerMetadata } from './peer-metadata-header.js';
import type { WorkloadMetadata } from './workload-metadata.js';

/** Istio's bound, `max_peer_cache_size`. */
const MOST_PEERS = 500;
/** A power of two: connections whose last peer is remembered beside the cache. */
const RECENT = 64;

/** One peer as the cache holds it; one object for each value of the header. */
interface Peer {
  readonly value: string;
  /** undefined: the value is no metadata. */
  readonly metadata: WorkloadMetadata | undefined;
  /** The principal that was held against it last, and whether they agreed. */
  principal: string;
  agrees: boolean;
}

/**
 * What peers say of themselves, read once for each value of the header.
 *
 * It is believed only where it agrees with the SPIFFE ID that the peer proved: the namespace, and the service account
 * where it is told.
 *
 * Bounds: 500 values; above them the oldest quarter is forgotten.
 * Cost: a connection's peer sends the same value again and again: that is one comparison, without hashing it.
 */
export class PeerCache {
  readonly #peers = new Map<string, Peer>();
  readonly #recent: (Peer | undefined)[] = new Array<Peer | undefined>(RECENT).fill(undefined);

  get size(): number {
    return this.#peers.size;
  }

  /** The metadata in a header's value, if it may be believed of a peer with that principal; `connectionId` is its connection's. */
  find(value: string, principal: string, connectionId: number): WorkloadMetadata | undefined {
    const slot = connectionId & (RECENT - 1);
    let peer = this.#recent[slot];
    if (peer?.value !== value) {
      peer = this.#peers.get(value) ?? this.#read(value);
      this.#recent[slot] = peer;
    }
    if (peer.principal !== principal) {
      peer.principal = principal;
      peer.agrees = peer.metadata !== undefined && agreesWith(peer.metadata, principal);
    }
    return peer.agrees ? peer.metadata : undefined;
  }

  #read(value: string): Peer {
    // Copied: a header's value is a part of the whole message's text and would keep it alive.
    const copy = Buffer.from(value, 'latin1').toString('latin1');
    const peer: Peer = { value: copy, metadata: decodePeerMetadata(copy), principal: '', agrees: false };
    if (this.#peers.size >= MOST_PEERS) this.#forgetOldest();
    this.#peers.set(copy, peer);
    return peer;
  }

  #forgetOldest(): void {
    let left = MOST_PEERS / 4;
    for (const key of this.#peers.keys()) {
      if (left-- === 0) return;
      this.#peers.delete(key);
    }
  }
}

/** Whether metadata names the same namespace, and service account if any, as a SPIFFE ID `spiffe://TD/ns/NS/sa/SA`. */
export function agreesWith(metadata: WorkloadMetadata, principal: string): boolean {
  const identity = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(principal);
  if (identity === null || identity[1] !== metadata.namespace) return false;
  return metadata.serviceAccount === '' || metadata.serviceAccount === identity[2];
}

/** The namespace in a SPIFFE ID, or empty. Source: what Istio's stats filter takes from the peer's certificate. */
export function namespaceOfPrincipal(principal: string): string {
  return /\/ns\/([^/]*)/.exec(principal)?.[1] ?? '';
}
