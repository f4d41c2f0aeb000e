import type { TrustBundle, WorkloadCertificate } from '@heddle/certs/workload';
import { HiddenText, NO_PEER_RULES } from '@heddle/engine';
import type { Secret } from './secret.js';
import {
  WORKLOAD_CERTIFICATE_SECRET,
  WORKLOAD_TRUST_SECRET,
  type SecretSource,
  type SecretSubscription,
  type SecretWatcher,
} from './secret-source.js';

/**
 * Secrets that this process holds itself, under names that are fixed from the start.
 *
 * A name is claimed before its secret is there, so that listeners and clusters wait for it instead of asking elsewhere.
 */
export class InProcessSecrets implements SecretSource {
  readonly #entries: ReadonlyMap<
    string,
    { secret: Secret | undefined; readonly watchers: Set<SecretWatcher> }
  >;

  /** `names` are all that will ever be claimed. Default: those of the workload's identity. */
  constructor(names: readonly string[] = [WORKLOAD_CERTIFICATE_SECRET, WORKLOAD_TRUST_SECRET]) {
    this.#entries = new Map(names.map((name) => [name, { secret: undefined, watchers: new Set() }]));
  }

  claims(name: string): boolean {
    return this.#entries.has(name);
  }

  watch(name: string, watcher: SecretWatcher): SecretSubscription {
    const entry = this.#entries.get(name);
    if (entry === undefined) return { close: () => undefined };
    // One of its own for each call, so that one watcher may watch twice.
    const own: SecretWatcher = {
      onSecret: (secret) => watcher.onSecret(secret),
      onRemoved: () => watcher.onRemoved(),
    };
    entry.watchers.add(own);
    if (entry.secret !== undefined) own.onSecret(entry.secret);
    return { close: () => void entry.watchers.delete(own) };
  }

  /** Puts a secret in force; undefined takes it away. A name that is not claimed is passed over. */
  set(name: string, secret: Secret | undefined): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    const before = entry.secret;
    entry.secret = secret;
    for (const watcher of [...entry.watchers]) {
      if (secret !== undefined) watcher.onSecret(secret);
      else if (before !== undefined) watcher.onRemoved();
    }
  }

  /** The workload's certificate, each time a new one has come. */
  setWorkloadCertificate(certificate: WorkloadCertificate): void {
    this.set(WORKLOAD_CERTIFICATE_SECRET, {
      kind: 'certificate',
      chainPem: certificate.chainPem,
      privateKey: new HiddenText(certificate.privateKeyPem()),
      password: undefined,
    });
  }

  /** The roots of the mesh, each time they have changed. */
  setWorkloadTrust(bundle: TrustBundle): void {
    this.set(WORKLOAD_TRUST_SECRET, {
      kind: 'trust',
      rootsPem: bundle.pems.join(''),
      crlPem: '',
      rules: NO_PEER_RULES,
    });
  }
}
