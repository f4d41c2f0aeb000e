import { BrokenInvariantError } from '@heddle/common';
import {
  matchesTransportSocket,
  type ClusterConfig,
  type EndpointConfig,
  type UpstreamSocketConfig,
  type UpstreamWrappingConfig,
} from '@heddle/engine';
import type { Tags } from '../stats/stats-store.js';
import type { TlsTransports, UpstreamTransport } from '../tls/transport.js';

/** What keeps a cluster's transport sockets from working, each with its place. */
export function transportProblems(config: ClusterConfig, tls: TlsTransports | undefined): readonly string[] {
  const all = [
    { path: 'transport_socket', socket: config.transportSocket },
    ...(config.transportSocketMatches ?? []).map(({ transportSocket }, i) => ({
      path: `transport_socket_matches[${i}]`,
      socket: transportSocket,
    })),
  ];
  return all.flatMap(({ path, socket }) =>
    socket.kind === 'raw'
      ? []
      : (tls?.problems(socket) ?? ['TLS is not there']).map((problem) => `${path}: ${problem}`),
  );
}

/** Whether a cluster speaks to any of its hosts otherwise than by bare plain text. */
export function needsTransports(config: ClusterConfig): boolean {
  const sockets = [config, ...(config.transportSocketMatches ?? [])];
  return sockets.some(({ transportSocket: { kind, passthroughMetadata, proxyProtocol } }) => {
    return kind === 'tls' || passthroughMetadata !== undefined || proxyProtocol !== undefined;
  });
}

/** How a host is connected to. */
export interface HostTransport {
  /** undefined: plain text. */
  readonly tls: UpstreamTransport | undefined;
  /** What is put around it. */
  readonly wrapping: UpstreamWrappingConfig;
}

/**
 * The transport sockets of one cluster that needs any: one for all hosts, and one for each match of their metadata.
 *
 * Shape: shared by the versions of a cluster that connect alike, and closed by the last one.
 */
export class ClusterTransports {
  readonly #default: HostTransport;
  readonly #matches: readonly {
    readonly wanted: readonly (readonly [name: string, value: unknown])[];
    readonly transport: HostTransport;
  }[];
  #users = 1;
  #isWarm = false;
  readonly #waiting: (() => void)[] = [];

  constructor(config: ClusterConfig, tls: TlsTransports | undefined, statTags: Tags) {
    const create = (socket: UpstreamSocketConfig): HostTransport => {
      if (socket.kind === 'raw') return { tls: undefined, wrapping: socket };
      // Configurations with TLS are refused where there is none: it must never become plain text.
      if (tls === undefined) throw new BrokenInvariantError('there is no TLS for a cluster that asks for it');
      return { tls: tls.upstream(socket, { statTags }), wrapping: socket };
    };
    this.#default = create(config.transportSocket);
    this.#matches = (config.transportSocketMatches ?? []).map(({ match, transportSocket }) => ({
      wanted: Object.entries(match),
      transport: create(transportSocket),
    }));
    const all = this.#all();
    let left = all.length + 1;
    const one = (): void => {
      if (--left > 0) return;
      this.#isWarm = true;
      for (const callback of this.#waiting.splice(0)) callback();
    };
    for (const transport of all) transport.start(one);
    one();
  }

  /** Calls back once, when every secret is there or is not waited for any longer; inside the call when that is so already. */
  onWarm(callback: () => void): void {
    if (this.#isWarm) callback();
    else this.#waiting.push(callback);
  }

  /** The transport socket for a host. Source: the first match counts, as in Envoy. */
  of(metadata: EndpointConfig['metadata']): HostTransport {
    for (const { wanted, transport } of this.#matches) {
      if (matchesTransportSocket(wanted, metadata)) return transport;
    }
    return this.#default;
  }

  /** Another version of the cluster uses them too. */
  retain(): this {
    this.#users++;
    return this;
  }

  release(): void {
    if (--this.#users > 0) return;
    this.#waiting.length = 0;
    for (const transport of this.#all()) transport.close();
  }

  #all(): readonly UpstreamTransport[] {
    return [this.#default, ...this.#matches.map(({ transport }) => transport)].flatMap(
      ({ tls }) => tls ?? [],
    );
  }
}
