import type { Logger } from '@heddle/common';
import type { DataSourceConfig, SecretConfig } from '@heddle/engine';
import type { DataSources } from './data-sources.js';
import { readCertificateSecret, readTrustSecret, type SecretReading } from './read-secret.js';
import type { Secret } from './secret.js';
import type { SecretSource, SecretSubscription, SecretWatcher } from './secret-source.js';

/** Where the configuration of secrets comes from: the bootstrap, or SDS. */
export interface SecretConfigSource {
  claims(name: string): boolean;
  watch(
    name: string,
    watcher: { onUpdate(config: SecretConfig): void; onRemoved(): void },
  ): SecretSubscription;
}

/** Reads a secret and what it refers to. */
export function readSecret(config: SecretConfig, sources: DataSources): SecretReading<Secret> {
  return config.kind === 'certificate'
    ? readCertificateSecret(config.certificate, sources)
    : readTrustSecret(config.validation, sources);
}

interface SharedSecret {
  readonly watchers: Set<SecretWatcher>;
  secret: Secret | undefined;
  files: { close(): void } | undefined;
  subscription: SecretSubscription | undefined;
}

/**
 * Makes secrets of their configuration, and again when a file that they refer to has changed.
 *
 * Shape: a secret is read once, however many contexts use it. One that cannot be used leaves the one before it in force.
 */
export class ConfiguredSecrets implements SecretSource {
  readonly #configs: SecretConfigSource;
  readonly #sources: DataSources;
  readonly #log: Logger;
  readonly #shared = new Map<string, SharedSecret>();

  constructor(configs: SecretConfigSource, sources: DataSources, log: Logger) {
    this.#configs = configs;
    this.#sources = sources;
    this.#log = log;
  }

  claims(name: string): boolean {
    return this.#configs.claims(name);
  }

  watch(name: string, watcher: SecretWatcher): SecretSubscription {
    // One of its own for each call, so that one watcher may watch twice.
    const own: SecretWatcher = {
      onSecret: (secret) => watcher.onSecret(secret),
      onRemoved: () => watcher.onRemoved(),
    };
    const shared = this.#shared.get(name) ?? this.#begin(name);
    shared.watchers.add(own);
    if (shared.secret !== undefined) own.onSecret(shared.secret);
    return {
      close: () => {
        if (!shared.watchers.delete(own) || shared.watchers.size > 0) return;
        this.#shared.delete(name);
        shared.files?.close();
        shared.subscription?.close();
      },
    };
  }

  #begin(name: string): SharedSecret {
    const shared: SharedSecret = {
      watchers: new Set(),
      secret: undefined,
      files: undefined,
      subscription: undefined,
    };
    this.#shared.set(name, shared);
    shared.subscription = this.#configs.watch(name, {
      onUpdate: (config) => {
        shared.files?.close();
        shared.files = this.#sources.watch(sourcesOf(config), () => this.#read(shared, config));
        this.#read(shared, config);
      },
      onRemoved: () => {
        for (const watcher of [...shared.watchers]) watcher.onRemoved();
      },
    });
    return shared;
  }

  #read(shared: SharedSecret, config: SecretConfig): void {
    const reading = readSecret(config, this.#sources);
    if (!reading.ok) {
      this.#log.warn('a secret cannot be used, the one before it stays in force', {
        secret: config.name,
        problem: reading.problem,
      });
      return;
    }
    shared.secret = reading.secret;
    for (const watcher of [...shared.watchers]) watcher.onSecret(reading.secret);
  }
}

function sourcesOf(config: SecretConfig): readonly (DataSourceConfig | undefined)[] {
  if (config.kind === 'trust') return [config.validation.trustedCa, config.validation.crl];
  const { chain, privateKey, password } = config.certificate;
  return [chain, privateKey, password];
}
