import type { Counter, StatsStore, Tags } from '../stats/stats-store.js';
import type { PeerFailure } from './peer-policy.js';

/** Every metric of TLS of one listener or cluster. The names are Envoy's. */
export class TlsStats {
  readonly handshake: Counter;
  readonly connectionError: Counter;
  readonly sessionReused: Counter;
  readonly noCertificate: Counter;
  readonly failVerifyNoCert: Counter;
  readonly failVerifyError: Counter;
  readonly failVerifySan: Counter;
  readonly failVerifyCertHash: Counter;
  /** Connections that came while secrets were missing. */
  readonly secretsNotReady: Counter;
  readonly contextUpdateBySds: Counter;
  readonly #store: StatsStore;
  readonly #prefix: string;
  readonly #tags: Tags;
  /** By version and cipher; OpenSSL knows few. */
  readonly #agreed = new Map<string, Counter>();

  /** `prefix` is `listener` or `cluster`. */
  constructor(store: StatsStore, prefix: 'listener' | 'cluster', tags: Tags) {
    this.#store = store;
    this.#prefix = prefix;
    this.#tags = tags;
    const counter = (name: string): Counter => store.counter(`${prefix}.${name}`, tags);
    this.handshake = counter('ssl.handshake');
    this.connectionError = counter('ssl.connection_error');
    this.sessionReused = counter('ssl.session_reused');
    this.noCertificate = counter('ssl.no_certificate');
    this.failVerifyNoCert = counter('ssl.fail_verify_no_cert');
    this.failVerifyError = counter('ssl.fail_verify_error');
    this.failVerifySan = counter('ssl.fail_verify_san');
    this.failVerifyCertHash = counter('ssl.fail_verify_cert_hash');
    const factory = prefix === 'listener' ? 'server_ssl_socket_factory' : 'client_ssl_socket_factory';
    const side = prefix === 'listener' ? 'downstream' : 'upstream';
    this.secretsNotReady = counter(`${factory}.${side}_context_secrets_not_ready`);
    this.contextUpdateBySds = counter(`${factory}.ssl_context_update_by_sds`);
  }

  countRefusal(failure: PeerFailure): void {
    switch (failure) {
      case 'no-certificate':
        this.failVerifyNoCert.inc();
        return;
      case 'verify-error':
        this.failVerifyError.inc();
        return;
      case 'san':
        this.failVerifySan.inc();
        return;
      case 'hash':
        this.failVerifyCertHash.inc();
        return;
    }
  }

  countHandshake(version: string, cipher: string, resumed: boolean): void {
    this.handshake.inc();
    if (resumed) this.sessionReused.inc();
    this.#count('versions', version);
    this.#count('ciphers', cipher);
  }

  #count(kind: 'versions' | 'ciphers', value: string): void {
    const key = `${kind}.${value}`;
    let counter = this.#agreed.get(key);
    if (counter === undefined) {
      counter = this.#store.counter(`${this.#prefix}.ssl.${key}`, this.#tags);
      this.#agreed.set(key, counter);
    }
    counter.inc();
  }
}
