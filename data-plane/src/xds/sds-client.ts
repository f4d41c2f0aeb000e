import { Backoff, type Clock, type Logger, type Random, type Timer } from '@heddle/common';
import type { SecretConfig } from '@heddle/engine';
import type { envoy } from '@heddle/xds-protos';
import type { ResourceSubscription, ResourceWatcher } from '../config-source.js';
import type { DiscoveredResources } from '../discovered-resources.js';
import type { Counter, StatsStore } from '../stats/stats-store.js';
import type {
  AdsStream,
  AdsTransport,
  AdsVariant,
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from './ads-transport.js';
import { DiscoveredType } from './discovered-type.js';
import { nackText } from './nack-text.js';
import { NamedWatches } from './named-watches.js';
import { secretsType } from './resource-type.js';
import { TypeSession } from './type-session.js';

export interface SdsClientOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly stats: StatsStore;
  /** Whose SDS it is, for people. */
  readonly name: string;
  /** Loaded when it is needed. */
  readonly transport: () => Promise<AdsTransport>;
  readonly variant: AdsVariant;
  readonly node: envoy.config.core.v3.Node;
  /** What keeps a secret from being used; undefined: nothing. */
  readonly checkSecret: (secret: SecretConfig) => string | undefined;
}

const BACKOFF = { baseMs: 500, maxMs: 30_000, minMs: 20 };

/**
 * The proxy's side of the Secret Discovery Service of one static cluster: an agent beside the proxy, often behind a Unix socket.
 *
 * Shape: one stream, open as long as somebody watches a secret; what was accepted stays in force whatever happens to the stream.
 * Source: envoy.service.secret.v3.SecretDiscoveryService.
 */
export class SdsClient {
  readonly #options: SdsClientOptions;
  readonly #type: DiscoveredType<SecretConfig>;
  readonly #watches: NamedWatches<SecretConfig>;
  readonly #backoff: Backoff;
  readonly #success: Counter;
  readonly #rejected: Counter;
  readonly #failure: Counter;
  #stream: AdsStream | undefined;
  #session: TypeSession | undefined;
  #timer: Timer | undefined;
  #isOpening = false;
  #closed = false;
  #nodeSent = false;

  constructor(options: SdsClientOptions) {
    this.#options = options;
    this.#type = new DiscoveredType(secretsType(options.checkSecret), options.clock);
    this.#backoff = new Backoff({ ...BACKOFF, random: options.random });
    this.#watches = new NamedWatches({
      clock: options.clock,
      defaultTimeoutMs: 0,
      current: (name) => this.#type.resources.get(name)?.value,
      onNamesChanged: () => this.#onNamesChanged(),
    });
    this.#type.watches = this.#watches;
    this.#success = options.stats.counter('sds.update_success');
    this.#rejected = options.stats.counter('sds.update_rejected');
    this.#failure = options.stats.counter('sds.update_failure');
  }

  watch(name: string, watcher: ResourceWatcher<SecretConfig>): ResourceSubscription {
    return this.#watches.watch(name, watcher);
  }

  /** What a secret was translated from, as it is held. Watchers are told after it is. */
  bytesOf(name: string): Uint8Array | undefined {
    return this.#type.resources.get(name)?.bytes;
  }

  /** What is held and what was refused. */
  resources(): DiscoveredResources {
    const { resources, lastVersion } = this.#type;
    return {
      versionInfo: lastVersion,
      held: resources.held(),
      missing: this.#watches.names().filter((name) => resources.get(name) === undefined),
      refused: resources.refused(),
    };
  }

  close(): void {
    this.#closed = true;
    this.#watches.close();
    this.#end();
  }

  #onNamesChanged(): void {
    if (this.#closed) return;
    this.#type.prune();
    if (this.#watches.names().length === 0) this.#end();
    else if (this.#stream === undefined) this.#open();
    else this.#subscribe();
  }

  #end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#stream?.close();
    this.#stream = undefined;
  }

  #open(): void {
    if (this.#isOpening || this.#timer !== undefined) return;
    this.#isOpening = true;
    void this.#options.transport().then((transport) => {
      this.#isOpening = false;
      if (this.#closed || this.#watches.names().length === 0) return;
      this.#session = new TypeSession(this.#options.variant, this.#type);
      this.#nodeSent = false;
      const stream = transport.open(this.#options.variant, {
        onResponse: (response) => {
          if (this.#stream === stream) this.#onResponse(response);
        },
        onEnd: (reason) => {
          if (this.#stream === stream) this.#onEnd(reason);
        },
      });
      this.#stream = stream;
      this.#subscribe();
    });
  }

  #subscribe(): void {
    const request = this.#session?.subscribe();
    if (request !== undefined) this.#send(request);
  }

  #send(request: Parameters<AdsStream['send']>[0]): void {
    this.#stream?.send(this.#nodeSent ? request : { ...request, node: this.#options.node });
    this.#nodeSent = true;
  }

  #onEnd(reason: string): void {
    this.#stream = undefined;
    this.#failure.inc();
    const delayMs = this.#backoff.nextDelayMs();
    this.#options.log.warn('secret discovery lost', {
      cluster: this.#options.name,
      reason,
      retryInMs: Math.round(delayMs),
    });
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#onNamesChanged();
    });
  }

  #onResponse(response: DiscoveryResponse | DeltaDiscoveryResponse): void {
    const session = this.#session as TypeSession;
    this.#backoff.reset();
    const version = 'systemVersionInfo' in response ? response.systemVersionInfo : response.versionInfo;
    const update = session.receive(response);
    // What nobody watches (any more) is passed over.
    const wanted = update.resources.filter((one) => one.name === undefined || this.#watches.has(one.name));
    const staged = this.#type.resources.stage({ ...update, resources: wanted }, this.#options.clock.nowMs());
    this.#type.resources.commit(staged);
    this.#type.note(version, staged.problems.length === 0);
    if (staged.problems.length === 0) {
      this.#success.inc();
      this.#send(session.ack(response.nonce, version));
    } else {
      this.#rejected.inc();
      const text = nackText(this.#type.type.noun, staged.problems);
      this.#options.log.warn('secret refused', { cluster: this.#options.name, problems: text });
      this.#send(session.nack(response.nonce, text));
    }
    for (const { name, value } of staged.changed) this.#watches.update(name, value);
    for (const name of update.removed) this.#watches.remove(name);
  }
}
