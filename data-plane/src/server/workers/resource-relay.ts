import { whyNotExtension } from '@heddle/engine';
import { envoy, resourceNames, typeUrls } from '@heddle/xds-protos';
import type { ResourceSubscription } from '../../config-source.js';
import { tableOf } from '../../xds/virtual-host-watches.js';
import type { ConfigurationClient } from '../configuration-client.js';
import type { MainThread } from '../thread-parts.js';
import type { ToMain, ToWorker } from './messages.js';

/** What one worker watches by name: it is watched here, and handed down as it came. */
export class ResourceRelay {
  readonly #main: MainThread;
  readonly #send: (message: ToWorker['resource']['body']) => void;
  readonly #subscriptions = new Map<number, ResourceSubscription>();

  constructor(main: MainThread, send: (message: ToWorker['resource']['body']) => void) {
    this.#main = main;
    this.#send = send;
  }

  watch(wanted: ToMain['watch']['body']): void {
    const { watch } = wanted;
    const subscription = this.#subscribe(wanted);
    if (subscription === undefined) this.#send({ watch, absent: 'removed' });
    else this.#subscriptions.set(watch, subscription);
  }

  unwatch(watch: number): void {
    this.#subscriptions.get(watch)?.close();
    this.#subscriptions.delete(watch);
  }

  close(): void {
    for (const subscription of this.#subscriptions.values()) subscription.close();
    this.#subscriptions.clear();
  }

  #answer(watch: number): void {
    this.#subscriptions.delete(watch);
    this.#send({ watch, bytes: NOTHING });
  }

  #subscribe({
    watch,
    type,
    name,
    timeoutMs,
    typeUrls: accepted,
    cluster,
  }: ToMain['watch']['body']): ResourceSubscription | undefined {
    const watcher = (bytes: () => Uint8Array | undefined) => ({
      onUpdate: () => {
        const found = bytes();
        if (found !== undefined) this.#send({ watch, bytes: found });
      },
      onAbsent: (absent: 'removed' | 'timeout') => this.#send({ watch, absent }),
    });
    if (cluster !== undefined) {
      const sds = this.#main.sds(cluster);
      return sds?.watch(
        name,
        watcher(() => sds.bytesOf(name)),
      );
    }
    const { configuration } = this.#main;
    if (configuration === undefined) return undefined;
    const of = (typeUrl: string) => watcher(() => configuration.bytesOf(typeUrl, name));
    switch (type) {
      case 'endpoints':
        return configuration.watchEndpoints(name, of(typeUrls.clusterLoadAssignment), timeoutMs);
      case 'routes':
        return configuration.watchRoutes(name, of(typeUrls.routeConfiguration), timeoutMs);
      case 'virtualHosts':
        return configuration.watchVirtualHosts?.(
          name,
          watcher(() => allOf(typeUrls.virtualHost, configuration, (host) => tableOf(host) === name)),
          timeoutMs,
        );
      case 'demandedHost': {
        const asked = resourceNames.parseVirtualHostResourceName(name);
        return (
          asked &&
          configuration.fetchVirtualHost?.(asked.routeConfiguration, asked.domain, () => this.#answer(watch))
        );
      }
      case 'demandedCluster':
        return configuration.fetchCluster?.(name, () => this.#answer(watch));
      case 'scopes':
        return configuration.watchScopes(
          watcher(() => allOf(typeUrls.scopedRouteConfiguration, configuration)),
          timeoutMs,
        );
      case 'runtime':
        return configuration.watchRuntime(name, of(typeUrls.runtime), timeoutMs);
      case 'extension':
        return configuration.watchExtension(
          name,
          {
            ...of(typeUrls.extensionConfig),
            // What the worker cannot use is refused here, where there is somebody to tell.
            whyNot: (extension) => accepted && whyNotExtension(extension, { typeUrls: accepted }),
          },
          timeoutMs,
        );
      case 'secret':
        return configuration.watchSecret(name, of(typeUrls.secret));
    }
  }
}

const NOTHING = new Uint8Array(0);

/** All resources of a type, or those whose names are wanted. */
function allOf(
  typeUrl: string,
  configuration: ConfigurationClient,
  isWanted: (name: string) => boolean = () => true,
): Uint8Array {
  const resources = configuration
    .resources(typeUrl)
    .held.filter(({ name }) => isWanted(name))
    .map(({ bytes: value }) => ({ typeUrl, value }));
  return envoy.service.discovery.v3.DiscoveryResponse.encode({ resources }).finish();
}
