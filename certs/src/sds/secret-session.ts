import { typeUrls, type envoy } from '@heddle/xds-protos';
import type { ServedSecret } from './served-secret.js';

type DiscoveryRequest = envoy.service.discovery.v3.DiscoveryRequest;
type DeltaDiscoveryRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;
type Response =
  envoy.service.discovery.v3.IDiscoveryResponse | envoy.service.discovery.v3.IDeltaDiscoveryResponse;

export interface SecretSessionOptions {
  readonly variant: 'sotw' | 'delta';
  /** What is served under a name now; undefined: nothing yet. */
  readonly secretOf: (name: string) => ServedSecret | undefined;
  readonly write: (response: Response) => void;
  /** Ends the stream with gRPC's INVALID_ARGUMENT. */
  readonly refuse: (reason: string) => void;
  readonly onNack: (message: string) => void;
}

const MAX_NAMES = 64;
const MAX_NACK_LENGTH = 1024;

/**
 * One SDS stream, in either variant of the protocol: a secret that is asked for is sent as soon as it is there, and again
 * with every change. At most one answer is under way; what changes meanwhile is sent after it.
 *
 * Source: the xDS protocol's description of nonces, ACK and NACK.
 */
export class SecretSession {
  readonly #options: SecretSessionOptions;
  readonly #names = new Set<string>();
  /** What the client was sent last, or said that it holds. */
  readonly #sent = new Map<string, string>();
  readonly #acked = new Map<string, string>();
  #outstanding: { readonly nonce: string; readonly secrets: readonly ServedSecret[] } | undefined;
  #nonces = 0;
  #closed = false;

  constructor(options: SecretSessionOptions) {
    this.#options = options;
  }

  /** The versions that the client took, by name. */
  get acked(): ReadonlyMap<string, string> {
    return this.#acked;
  }

  onSotwRequest(request: DiscoveryRequest): void {
    if (!this.#accepts(request.typeUrl, request.resourceNames.length)) return;
    if (request.responseNonce !== '' && !this.#settle(request.responseNonce, request.errorDetail?.message))
      return;
    const names = new Set(request.resourceNames);
    for (const name of this.#names) if (!names.has(name)) this.#forget(name);
    for (const name of names) this.#names.add(name);
    this.push();
  }

  onDeltaRequest(request: DeltaDiscoveryRequest): void {
    const asked = this.#names.size + request.resourceNamesSubscribe.length;
    if (!this.#accepts(request.typeUrl, asked)) return;
    if (request.responseNonce !== '') this.#settle(request.responseNonce, request.errorDetail?.message);
    for (const name of request.resourceNamesSubscribe) {
      this.#names.add(name);
      // Asked for again, it is sent again.
      this.#sent.delete(name);
      const held = request.initialResourceVersions[name];
      if (held === undefined) continue;
      this.#sent.set(name, held);
      this.#acked.set(name, held);
    }
    for (const name of request.resourceNamesUnsubscribe) this.#forget(name);
    this.push();
  }

  /** Something may have changed. */
  push(): void {
    if (this.#closed || this.#outstanding !== undefined) return;
    const secrets: ServedSecret[] = [];
    for (const name of this.#names) {
      const secret = this.#options.secretOf(name);
      if (secret !== undefined && this.#sent.get(name) !== secret.version) secrets.push(secret);
    }
    if (secrets.length === 0) return;
    const nonce = String(++this.#nonces);
    this.#outstanding = { nonce, secrets };
    for (const { name, version } of secrets) this.#sent.set(name, version);
    this.#options.write(this.#responseOf(nonce, secrets));
  }

  close(): void {
    this.#closed = true;
  }

  #accepts(typeUrl: string, names: number): boolean {
    if (this.#closed) return false;
    const problem =
      typeUrl !== '' && typeUrl !== typeUrls.secret
        ? `only ${typeUrls.secret} is served here`
        : names > MAX_NAMES
          ? `more than ${MAX_NAMES} names`
          : undefined;
    if (problem === undefined) return true;
    this.close();
    this.#options.refuse(problem);
    return false;
  }

  /** Whether this answers our last word; what answers an older one says nothing. */
  #settle(nonce: string, error: string | undefined): boolean {
    if (this.#outstanding?.nonce !== nonce) return nonce === String(this.#nonces);
    const { secrets } = this.#outstanding;
    this.#outstanding = undefined;
    if (error === undefined) for (const { name, version } of secrets) this.#acked.set(name, version);
    else this.#options.onNack(error.slice(0, MAX_NACK_LENGTH));
    return true;
  }

  #forget(name: string): void {
    this.#names.delete(name);
    this.#sent.delete(name);
    this.#acked.delete(name);
  }

  #responseOf(nonce: string, secrets: readonly ServedSecret[]): Response {
    const typeUrl = typeUrls.secret;
    const version = secrets.map((secret) => secret.version).join('+');
    if (this.#options.variant === 'sotw') {
      return {
        versionInfo: version,
        typeUrl,
        nonce,
        resources: secrets.map(({ bytes }) => ({ typeUrl, value: bytes })),
      };
    }
    return {
      systemVersionInfo: version,
      typeUrl,
      nonce,
      resources: secrets.map((secret) => ({
        name: secret.name,
        version: secret.version,
        resource: { typeUrl, value: secret.bytes },
      })),
    };
  }
}
