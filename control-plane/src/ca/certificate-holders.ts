import { X509Certificate } from 'node:crypto';
import type { Server } from '@grpc/grpc-js';
import type { Authority } from '@heddle/certs/authority';
import {
  ROOTS_SECRET,
  SecretService,
  servedRoots,
  type SecretStream,
  type ServedSecret,
} from '@heddle/certs/sds';
import type { Clock, Logger } from '@heddle/common';
import type { Caller } from './caller.js';
import type { CallerAuthenticator } from './caller-authenticator.js';
import type { RefusalLog } from './refusal-log.js';

export interface CertificateHoldersOptions {
  readonly authority: Authority;
  readonly authenticator: CallerAuthenticator;
  readonly refusals: RefusalLog;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A proxy or agent that has an identity of the mesh, and how far it is with a root rotation. */
export interface CertificateHolder {
  readonly nodeId: string;
  readonly identity: string;
  readonly peer: string;
  /** `away`: its stream broke off a moment ago, and it is expected back. */
  readonly presence: 'connected' | 'away';
  readonly provenBy: 'certificate' | 'token';
  /** The root of its certificate; undefined: it has shown none. */
  readonly rootFingerprint: string | undefined;
  readonly provenUntilMs: number;
  /** Whether it has taken the roots that are in force. */
  readonly knowsRoots: boolean;
}

/** For so long a holder is expected back whose stream ended. */
const AWAY_MS = 60_000;
const MAX_AWAY = 10_000;

/**
 * Tells the roots of the mesh to whoever has an identity (SDS, the secret `ROOTCA`), and knows from these streams how far
 * each of them is: which roots it took, and which root its certificate is from.
 */
export class CertificateHolders {
  readonly #options: CertificateHoldersOptions;
  readonly #service: SecretService<Caller>;
  readonly #rootOf = new WeakMap<Caller, string>();
  /** By node id. */
  readonly #away = new Map<string, { readonly sinceMs: number; readonly stream: SecretStream<Caller> }>();
  readonly #stopListening: () => void;
  #roots: ServedSecret;

  constructor(options: CertificateHoldersOptions) {
    this.#options = options;
    const { authority, authenticator, refusals, clock, log } = options;
    this.#roots = servedRoots(authority.roots);
    this.#service = new SecretService<Caller>({
      clock,
      log,
      secretOf: (name) => (name === ROOTS_SECRET ? this.#roots : undefined),
      authenticate: (call) => {
        const verdict = authenticator.authenticate(call);
        if (verdict.ok) return { ok: true, client: verdict.caller };
        refusals.note('roots refused', verdict.problem, { peer: call.getPeer(), detail: verdict.detail });
        return verdict;
      },
      provenUntilMs: ({ provenUntilMs }) => provenUntilMs,
      onEnd: (stream) => this.#onEnd(stream),
    });
    this.#stopListening = authority.onRotation(() => {
      this.#roots = servedRoots(authority.roots);
      this.#service.changed();
    });
  }

  register(server: Server): void {
    this.#service.register(server);
  }

  close(): void {
    this.#stopListening();
  }

  endStreams(isOver: (caller: Caller) => boolean, reason: string): void {
    this.#service.endStreams(isOver, reason);
  }

  /** Every one that is there or is expected back. Cost: of each new stream one signature check. */
  list(): readonly CertificateHolder[] {
    const connected = this.#service.streams();
    for (const { nodeId } of connected) this.#away.delete(nodeId);
    const nowMs = this.#options.clock.monotonicMs();
    for (const [nodeId, { sinceMs }] of this.#away) if (nowMs - sinceMs > AWAY_MS) this.#away.delete(nodeId);
    return [
      ...connected.map((stream) => this.#describe(stream, 'connected')),
      ...[...this.#away.values()].map(({ stream }) => this.#describe(stream, 'away')),
    ];
  }

  #onEnd(stream: SecretStream<Caller>): void {
    this.#away.delete(stream.nodeId);
    // Who has asked for nothing, or for nothing any more, is nobody to wait for.
    if (stream.nodeId === '' || stream.acked.size === 0) return;
    this.#away.set(stream.nodeId, { sinceMs: this.#options.clock.monotonicMs(), stream });
    if (this.#away.size <= MAX_AWAY) return;
    for (const oldest of this.#away.keys()) {
      this.#away.delete(oldest);
      return;
    }
  }

  #describe(stream: SecretStream<Caller>, presence: CertificateHolder['presence']): CertificateHolder {
    const { client, nodeId, peer, acked } = stream;
    return {
      nodeId,
      identity: client.identity.uri,
      peer,
      presence,
      provenBy: client.by,
      rootFingerprint: this.#rootFingerprintOf(client),
      provenUntilMs: client.provenUntilMs,
      knowsRoots: acked.get(ROOTS_SECRET) === this.#roots.version,
    };
  }

  #rootFingerprintOf(caller: Caller): string | undefined {
    if (caller.certificate === undefined) return undefined;
    let found = this.#rootOf.get(caller);
    if (found === undefined) {
      const { authority, clock } = this.#options;
      found =
        authority.bundle.issuerOf(new X509Certificate(caller.certificate), clock.nowMs())?.fingerprint ?? '';
      this.#rootOf.set(caller, found);
    }
    return found === '' ? undefined : found;
  }
}
