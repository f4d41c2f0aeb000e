import type { Clock, Logger, Timer } from '@heddle/common';
import type { CommonTlsConfig, SecretReferenceConfig, ValidationContextConfig } from '@heddle/engine';
import type { DataSources } from './data-sources.js';
import { mergePeerRules } from './peer-policy.js';
import { readCertificateSecret, readTrustSecret, type SecretReading } from './read-secret.js';
import type { CertificateSecret, Secret, TrustSecret } from './secret.js';
import type { SecretRegistry } from './secret-registry.js';

/** Everything that a context is made of, of one moment. */
export interface TlsMaterial {
  readonly certificates: readonly CertificateSecret[];
  /** undefined: the peer is not verified. */
  readonly trust: TrustSecret | undefined;
}

export interface ContextSecretsOptions {
  readonly registry: SecretRegistry;
  readonly sources: DataSources;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What keeps a context from ever working, as far as it can be told before anything is fetched. */
export function contextProblems(
  config: CommonTlsConfig,
  { registry, sources }: Pick<ContextSecretsOptions, 'registry' | 'sources'>,
): readonly string[] {
  const problems: string[] = [];
  const add = (problem: string | undefined): void => void (problem !== undefined && problems.push(problem));
  const addReading = (what: string, reading: SecretReading<unknown>): void =>
    add(reading.ok ? undefined : `${what} cannot be used: ${reading.problem}`);
  for (const one of config.certificates) {
    if (one.kind === 'fetched') add(registry.problem(one.secret));
    else addReading('a TLS certificate', readCertificateSecret(one.certificate, sources));
  }
  const { given, fetched } = config.validation ?? {};
  if (given !== undefined) addReading('the validation context', readTrustSecret(given, sources));
  if (fetched !== undefined) add(registry.problem(fetched));
  return problems;
}

/** One thing that is waited for, and the newest version of it. */
interface Part<T> {
  value: T | undefined;
  close(): void;
}

/**
 * Brings together what a context is made of, and tells of every version of it.
 *
 * Shape: nothing is told before everything is there; the last good version of each part stays until the next one comes.
 */
export class ContextSecrets {
  readonly #config: CommonTlsConfig;
  readonly #options: ContextSecretsOptions;
  readonly #onMaterial: (material: TlsMaterial) => void;
  readonly #certificates: Part<CertificateSecret>[] = [];
  #given: Part<TrustSecret> | undefined;
  #fetched: Part<TrustSecret> | undefined;
  #timer: Timer | undefined;
  #started = false;
  #closed = false;
  #onWarm: (() => void) | undefined;
  #isComplete = false;

  constructor(
    config: CommonTlsConfig,
    options: ContextSecretsOptions,
    onMaterial: (material: TlsMaterial) => void,
  ) {
    this.#config = config;
    this.#options = options;
    this.#onMaterial = onMaterial;
  }

  /** `onWarm` is called once, when everything is there or is not waited for any longer; maybe inside this call. */
  start(onWarm: () => void): void {
    this.#onWarm = onWarm;
    const { certificates, validation } = this.#config;
    for (const one of certificates) {
      this.#certificates.push(
        one.kind === 'fetched'
          ? this.#fetch(one.secret, 'certificate')
          : this.#read([one.certificate.chain, one.certificate.privateKey, one.certificate.password], () =>
              readCertificateSecret(one.certificate, this.#options.sources),
            ),
      );
    }
    if (validation?.given !== undefined) this.#given = this.#readTrust(validation.given);
    if (validation?.fetched !== undefined) this.#fetched = this.#fetch(validation.fetched, 'trust');
    this.#started = true;
    this.#check();
    if (this.#isComplete) return;
    const waits = [
      ...certificates.map((one) => (one.kind === 'fetched' ? one.secret : undefined)),
      validation?.fetched,
    ]
      .filter((reference) => reference !== undefined)
      .map(({ initialFetchTimeoutMs }) => initialFetchTimeoutMs);
    // 0 is without end, and one that waits without end makes all of them do so.
    if (waits.length === 0 || waits.includes(0)) return;
    this.#timer = this.#options.clock.setTimer(Math.max(...waits), () => {
      this.#options.log.warn('secrets did not come in time: connections are refused until they do', {
        secrets: this.missing(),
      });
      this.#warmUp();
    });
  }

  /** The names of the secrets that have not come. */
  missing(): readonly string[] {
    const { certificates, validation } = this.#config;
    const names = certificates.map((one, i) =>
      one.kind === 'fetched' && this.#certificates[i]?.value === undefined ? one.secret.name : '',
    );
    if (validation?.fetched !== undefined && this.#fetched?.value === undefined)
      names.push(validation.fetched.name);
    return names.filter((name) => name !== '');
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const part of [...this.#certificates, this.#given, this.#fetched]) part?.close();
  }

  #readTrust(config: ValidationContextConfig): Part<TrustSecret> {
    return this.#read([config.trustedCa, config.crl], () => readTrustSecret(config, this.#options.sources));
  }

  #read<T>(sources: Parameters<DataSources['watch']>[0], read: () => SecretReading<T>): Part<T> {
    const part: Part<T> = { value: undefined, close: () => watch.close() };
    const load = (): void => {
      const reading = read();
      if (reading.ok) {
        part.value = reading.secret;
        this.#check();
      } else {
        this.#options.log.warn('a TLS file cannot be used, what was read before stays in force', {
          problem: reading.problem,
        });
      }
    };
    const watch = this.#options.sources.watch(sources, load);
    load();
    return part;
  }

  #fetch<K extends Secret['kind']>(
    reference: SecretReferenceConfig,
    kind: K,
  ): Part<Extract<Secret, { kind: K }>> {
    const { log, registry } = this.#options;
    const part: Part<Extract<Secret, { kind: K }>> = { value: undefined, close: () => subscription.close() };
    const subscription = registry.watch(reference, {
      onSecret: (secret) => {
        if (secret.kind !== kind) {
          log.warn('a secret is of the wrong kind', {
            secret: reference.name,
            expected: kind,
            found: secret.kind,
          });
          return;
        }
        part.value = secret as Extract<Secret, { kind: K }>;
        this.#check();
      },
      onRemoved: () => {
        log.warn('a secret was removed while it is in use: the last version stays in force', {
          secret: reference.name,
        });
      },
    });
    return part;
  }

  #check(): void {
    if (!this.#started || this.#closed) return;
    const certificates = this.#certificates.map(({ value }) => value).filter((value) => value !== undefined);
    if (certificates.length < this.#certificates.length) return;
    if (this.#given !== undefined && this.#given.value === undefined) return;
    if (this.#fetched !== undefined && this.#fetched.value === undefined) return;
    this.#isComplete = true;
    this.#onMaterial({ certificates, trust: mergedTrust(this.#given?.value, this.#fetched?.value) });
    this.#warmUp();
  }

  #warmUp(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const onWarm = this.#onWarm;
    this.#onWarm = undefined;
    onWarm?.();
  }
}

/** Source: Envoy merges a fetched context into the given one: its roots take the place of the others, lists are joined. */
function mergedTrust(
  given: TrustSecret | undefined,
  fetched: TrustSecret | undefined,
): TrustSecret | undefined {
  if (given === undefined || fetched === undefined) return given ?? fetched;
  return {
    kind: 'trust',
    rootsPem: fetched.rootsPem === '' ? given.rootsPem : fetched.rootsPem,
    crlPem: fetched.crlPem === '' ? given.crlPem : fetched.crlPem,
    rules: mergePeerRules(given.rules, fetched.rules),
  };
}

/** Whether anything of a certificate is verified by this trust. */
export function verifiesAnything(trust: TrustSecret | undefined): trust is TrustSecret {
  if (trust === undefined) return false;
  const { publicKeyHashes, certificateHashes } = trust.rules;
  return trust.rootsPem !== '' || publicKeyHashes.length > 0 || certificateHashes.length > 0;
}

/** Errors: throws where names are asked for that nobody vouches for: without a root anybody may have any name. */
export function checkNamesHaveRoots(trust: TrustSecret | undefined): void {
  if (trust !== undefined && trust.rootsPem === '' && trust.rules.subjectAltNames.length > 0) {
    throw new Error('names are asked for, and there is no root that could vouch for them');
  }
}
