import type { SecretReferenceConfig } from '@heddle/engine';
import type { SecretSource, SecretSubscription, SecretWatcher } from './secret-source.js';

export interface SecretRegistryOptions {
  /** This process's own identity: what it claims is asked of nobody else. */
  readonly inProcess?: SecretSource | undefined;
  /** The bootstrap's. */
  readonly fixed?: SecretSource | undefined;
  /** The control plane's stream. */
  readonly ads?: SecretSource | undefined;
  /** SDS of a static cluster; undefined where there is no such cluster. */
  readonly grpc?: (cluster: string) => SecretSource | undefined;
}

/** Finds the source of each secret that a TLS context refers to. */
export class SecretRegistry {
  readonly #options: SecretRegistryOptions;

  constructor(options: SecretRegistryOptions) {
    this.#options = options;
  }

  /** Why nobody will ever have this secret; undefined where somebody may. */
  problem(reference: SecretReferenceConfig): string | undefined {
    const source = this.#sourceOf(reference);
    const { name } = reference;
    if (source === undefined) {
      return reference.source.kind === 'grpc'
        ? `secret "${name}" comes from cluster "${reference.source.cluster}", which is not among the static ones`
        : `secret "${name}" comes from the control plane, and there is none`;
    }
    return source.claims(name) ? undefined : `there is no secret "${name}" among the static ones`;
  }

  watch(reference: SecretReferenceConfig, watcher: SecretWatcher): SecretSubscription {
    const source = this.#sourceOf(reference);
    return source === undefined ? { close: () => undefined } : source.watch(reference.name, watcher);
  }

  #sourceOf({ name, source }: SecretReferenceConfig): SecretSource | undefined {
    const { inProcess, fixed, ads, grpc } = this.#options;
    if (inProcess?.claims(name) === true) return inProcess;
    switch (source.kind) {
      case 'static':
        return fixed ?? NOTHING;
      case 'ads':
        return ads;
      case 'grpc':
        return grpc?.(source.cluster);
    }
  }
}

const NOTHING: SecretSource = {
  claims: () => false,
  watch: () => ({ close: () => undefined }),
};
