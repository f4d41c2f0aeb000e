import type { Secret } from './secret.js';

/**
 * Where secrets come from, by name: the bootstrap, files, SDS on the control plane's stream or from a local agent, or this
 * process's own workload identity.
 */
export interface SecretSource {
  /** Whether this source answers for the name, now or later. What it does not claim is asked of another one. */
  claims(name: string): boolean;
  /** Calls the watcher with what is known, inside this call, and with every change after it. */
  watch(name: string, watcher: SecretWatcher): SecretSubscription;
}

/** Told of every change of one secret, in order. */
export interface SecretWatcher {
  /** The newest version. Whoever uses it takes it for new connections; those there are go on. */
  onSecret(secret: Secret): void;
  /** The source says that there is none (any more). */
  onRemoved(): void;
}

export interface SecretSubscription {
  close(): void;
}

/** The names by which Istio's proxies ask for the workload's own certificate and for the roots of the mesh. */
export const WORKLOAD_CERTIFICATE_SECRET = 'default';
export const WORKLOAD_TRUST_SECRET = 'ROOTCA';
