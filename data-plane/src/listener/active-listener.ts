import type { Server, Socket } from 'node:net';
import type { Timer } from '@heddle/common';
import {
  formatAddress,
  parseAddress,
  parseIp,
  type AddressConfig,
  type ConnectionFacts,
  type ListenerConfig,
} from '@heddle/engine';
import type { BroughtAlong, InternalListeners } from '../cluster/internal-listeners.js';
import { adoptSocket } from '../codec/socket-reads.js';
import type { ConnectionInfo } from '../http/stream-state.js';
import type { NetworkConnection } from '../network/network-connection.js';
import type { DownstreamTransport } from '../tls/transport.js';
import type { ActiveFilterChain } from './active-filter-chain.js';
import { isShed } from '../overload/overload-state.js';
import { bindServer } from './bind-server.js';
import { clientAddressOf } from './client-address-of.js';
import { ConnectionRecord } from './connection-record.js';
import { awaitProxyHeader, type ProxiedConnection } from './await-proxy-header.js';
import { DialAhead } from './dial-ahead.js';
import { inspectSocket, type Inspection } from './inspect-socket.js';
import type { ConnectionCount } from './connection-count.js';
import type { ListenerContext } from './listener-context.js';
import { ListenerStats } from './listener-stats.js';
import { ListenerVersion } from './listener-version.js';

/** How long a client may take to say what it wants, where the chain sets no time for TLS. */
const HELLO_TIMEOUT_MS = 10_000;

/** Connections that arrive while the listener warms wait, up to this many. */
const MOST_WAITING = 1024;

const NOTHING_SEEN: Inspection = Object.freeze({
  transportProtocol: '',
  serverName: '',
  applicationProtocols: [],
  early: undefined,
});

/** One listener: its sockets, the version of its configuration in service, and its connections. */
export class ActiveListener {
  readonly name: string;
  readonly stats: ListenerStats;
  readonly #context: ListenerContext;
  readonly #onChange: () => void;
  readonly #servers: Server[] = [];
  readonly #addresses: AddressConfig[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #open: ConnectionCount;
  /** What connections inside this process brought along; undefined for a listener that has none. */
  readonly #brought: WeakMap<Socket, BroughtAlong> | undefined;
  /** Of older versions, until their connections have ended. */
  readonly #leaving = new Map<ActiveFilterChain, Timer>();
  #version: ListenerVersion | undefined = undefined;
  #next: ListenerVersion | undefined = undefined;
  #waiting: Socket[] = [];
  #draining = false;
  #closed = false;

  constructor(config: ListenerConfig, context: ListenerContext, onChange: () => void) {
    this.name = config.name;
    this.#context = context;
    this.#onChange = onChange;
    this.#open = context.countFor(config.name);
    const isInternal = config.address.kind === 'internal';
    const ownName = isInternal ? `envoy_internal_${config.name}` : formatAddress(config.address);
    const statName = config.statPrefix === '' ? ownName : config.statPrefix;
    this.#brought = isInternal ? new WeakMap() : undefined;
    this.stats = new ListenerStats(context.options.stats, statName);
  }

  /** Binds every address. Returns why it cannot; nothing stays bound then. */
  async bind(config: ListenerConfig): Promise<string | undefined> {
    if (!config.bindToPort) {
      this.#addresses.push(config.address, ...config.additionalAddresses);
      if (config.address.kind === 'internal') this.#internalListeners.listen(this.name, this.#onInternal);
      return undefined;
    }
    for (const address of [config.address, ...config.additionalAddresses]) {
      if (address.kind === 'internal') continue;
      const result = await bindServer(address, config, this.#onSocket, this.#context.options.heldSockets);
      if (!result.ok) {
        this.#closeServers();
        return result.reason;
      }
      if (this.#closed) {
        for (const server of result.servers) server.close();
        return undefined;
      }
      this.#servers.push(...result.servers);
      this.#addresses.push(result.address);
    }
    return undefined;
  }

  /** Takes a (new) configuration on the sockets there are; it serves once it is warm, the older one until then. */
  update(config: ListenerConfig): void {
    this.#next?.abandon();
    const next = new ListenerVersion(config, this.#version, {
      filter: this.#context.filterOptions,
      tls: this.#context.options.tls?.(),
      statTags: this.stats.tags,
    });
    this.#next = next;
    next.start(() => this.#activate(next));
  }

  get config(): ListenerConfig {
    return (this.#version ?? (this.#next as ListenerVersion)).config;
  }

  /** The newest configuration, in service or not. */
  get newestConfig(): ListenerConfig {
    return (this.#next ?? (this.#version as ListenerVersion)).config;
  }

  get addresses(): readonly AddressConfig[] {
    return this.#addresses;
  }

  get warm(): boolean {
    return this.#next === undefined;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get activeRequests(): number {
    let active = 0;
    for (const chain of this.#chains) active += chain.filter.activeRequests;
    return active;
  }

  /** Those of the version and those that leave, which are the same while everything drains. */
  get #chains(): ReadonlySet<ActiveFilterChain> {
    return new Set([...(this.#version?.chains ?? []), ...this.#leaving.keys()]);
  }

  /** Takes a connection that another listener accepted for this one's address. */
  handOver(socket: Socket, destination: AddressConfig): void {
    this.#accept(socket, destination);
  }

  /** Stops accepting; connections end after what they carry, or when the drain time is over. See `NetworkConnection.drain`. */
  drain(closesIdle: boolean): void {
    if (closesIdle) for (const chain of this.#chains) chain.drain(true);
    if (this.#draining) return;
    this.#draining = true;
    this.#closeServers();
    this.#next?.abandon();
    this.#next = undefined;
    for (const chain of this.#version?.chains ?? []) this.#leave(chain, closesIdle);
    this.#dropWaiting();
    this.#checkGone();
  }

  close(): void {
    this.#closed = true;
    this.#draining = true;
    this.#closeServers();
    this.#next?.abandon();
    this.#next = undefined;
    for (const timer of this.#leaving.values()) timer.cancel();
    for (const chain of this.#chains) {
      chain.stop();
      chain.closeConnections();
    }
    this.#dropWaiting();
    for (const socket of this.#sockets) socket.destroy();
  }

  #activate(next: ListenerVersion): void {
    if (this.#next !== next || this.#closed) return;
    const older = this.#version;
    this.#version = next;
    this.#next = undefined;
    for (const chain of older?.chains ?? []) if (!next.chains.includes(chain)) this.#leave(chain, false);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const socket of waiting) this.#dispatch(socket, undefined);
    this.#onChange();
  }

  /** A chain that is not used any more keeps its connections for the drain time at most. */
  #leave(chain: ActiveFilterChain, closesIdle: boolean): void {
    chain.stop();
    chain.drain(closesIdle);
    if (chain.connections.size === 0) return;
    const timer = this.#context.options.clock.setTimer(this.#context.drainTimeMs, () => {
      chain.closeConnections();
    });
    this.#leaving.set(chain, timer);
  }

  readonly #onSocket = (socket: Socket): void => {
    this.#accept(socket, undefined);
  };

  get #internalListeners(): InternalListeners {
    return this.#context.options.clusters.internalListeners;
  }

  readonly #onInternal = (socket: Socket, brought: BroughtAlong): void => {
    this.#brought?.set(socket, brought);
    this.#accept(socket, undefined);
  };

  #accept(socket: Socket, destination: AddressConfig | undefined): void {
    const { stats } = this;
    const context = this.#context;
    stats.cxTotal.inc();
    context.accepted++;
    if (isShed(context.filterOptions.overload.connections, context.options.random)) {
      stats.cxOverloadReject.inc();
      socket.destroy();
      return;
    }
    const most = this.newestConfig.maxConnections ?? context.maxConnectionsPerListener;
    if (!this.#open.take(most)) {
      stats.cxOverflow.inc();
      socket.destroy();
      return;
    }
    if (!context.connections.take(context.maxConnections)) {
      this.#open.release();
      stats.globalCxOverflow.inc();
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    stats.cxActive.inc();
    socket.once('close', () => this.#onSocketClose(socket));
    if (this.#version === undefined) this.#wait(socket);
    else this.#dispatch(socket, destination);
  }

  #onSocketClose(socket: Socket): void {
    if (!this.#sockets.delete(socket)) return;
    this.#open.release();
    this.#context.connections.release();
    this.stats.cxActive.dec();
    this.stats.cxDestroy.inc();
    if (this.#draining) this.#checkGone();
  }

  #wait(socket: Socket): void {
    socket.on('error', ignore);
    if (this.#waiting.length >= MOST_WAITING) {
      this.stats.cxOverflow.inc();
      socket.destroy();
      return;
    }
    socket.pause();
    this.#waiting.push(socket);
  }

  #dropWaiting(): void {
    for (const socket of this.#waiting) socket.destroy();
    this.#waiting = [];
  }

  #dispatch(socket: Socket, handedDestination: AddressConfig | undefined): void {
    const version = this.#version as ListenerVersion;
    const { proxyProtocol } = version;
    if (proxyProtocol === undefined) {
      this.#find(socket, version, handedDestination, undefined);
      return;
    }
    socket.on('error', ignore);
    const { clock } = this.#context.options;
    const timeoutMs = version.config.listenerFiltersTimeoutMs;
    awaitProxyHeader(socket, { clock, ...proxyProtocol, timeoutMs }, (awaited) => {
      if (awaited.kind === 'proxied') {
        this.#find(socket, this.#version ?? version, handedDestination, awaited.connection);
        return;
      }
      if (awaited.kind === 'timeout') this.stats.preCxTimeout.inc();
      else {
        const client = addressText(plainIp(socket.remoteAddress), socket.remotePort ?? 0);
        this.#context.failures.info('a connection without a good PROXY header', () => ({
          listener: this.name,
          client,
          reason: awaited.problem,
        }));
      }
      socket.destroy();
    });
  }

  /** Finds out where a connection was going and what it speaks. */
  #find(
    socket: Socket,
    version: ListenerVersion,
    handedDestination: AddressConfig | undefined,
    proxied: ProxiedConnection | undefined,
  ): void {
    const told = proxied?.header?.addresses?.destination;
    let destination =
      told === undefined
        ? handedDestination
        : ({ kind: 'socket', host: plainIp(told.host), port: told.port, protocol: 'tcp' } as const);
    const brought = this.#brought?.get(socket);
    if (brought !== undefined && version.findsOriginalDestination)
      destination ??= toldAddress(brought, LOCAL_ADDRESS_KEY, 'local');
    if (destination === undefined && version.findsOriginalDestination) {
      destination = this.#context.options.originalDestination?.(socket) ?? arrivedAt(socket, version.config);
      if (destination !== undefined && version.config.useOriginalDst && proxied === undefined) {
        const owner = this.#context.listenerFor(destination, this);
        if (owner !== undefined) {
          this.#giveAway(socket, owner, destination);
          return;
        }
      }
    }
    const port = destination?.kind === 'socket' ? destination.port : (socket.localPort ?? 0);
    if ((!version.looksForTls && !version.looksForHttp) || version.decidedPorts.has(port)) {
      this.#serve(socket, version, destination, NOTHING_SEEN, proxied);
      return;
    }
    socket.on('error', ignore);
    const options = {
      clock: this.#context.options.clock,
      looksForTls: version.looksForTls,
      looksForHttp: version.looksForHttp,
      timeoutMs: version.config.listenerFiltersTimeoutMs,
      early: proxied?.early,
    };
    const ahead = version.config.continueOnListenerFiltersTimeout
      ? new DialAhead(this.#context.firstSpeakers, this.#context.options.clock)
      : undefined;
    const giveUp = inspectSocket(socket, options, (inspection, timedOut) => {
      ahead?.onInspected(inspection);
      if (timedOut) this.stats.preCxTimeout.inc();
      if (inspection === undefined || (timedOut && !version.config.continueOnListenerFiltersTimeout)) {
        ahead?.abandon();
        socket.destroy();
        return;
      }
      // The version may have been replaced meanwhile; a connection belongs to the newest one.
      this.#serve(socket, this.#version ?? version, destination, inspection, proxied, ahead);
    });
    if (giveUp === undefined || ahead === undefined) return;
    const { facts, info } = this.#describe(socket, version, destination, NOTHING_SEEN, proxied);
    ahead.start(socket, info, version.matcher.find(facts), () => {
      this.stats.serverFirst.inc();
      giveUp();
    });
  }

  #giveAway(socket: Socket, owner: ActiveListener, destination: AddressConfig): void {
    this.#sockets.delete(socket);
    this.#open.release();
    this.#context.connections.release();
    this.stats.cxActive.dec();
    owner.handOver(socket, destination);
  }

  /** What a filter chain is chosen by, and what is known of the connection afterwards. */
  #describe(
    socket: Socket,
    version: ListenerVersion,
    destination: AddressConfig | undefined,
    inspection: Inspection,
    proxied: ProxiedConnection | undefined,
  ): { readonly facts: ConnectionFacts; readonly info: ConnectionInfo } {
    const directIp = plainIp(socket.remoteAddress);
    const brought = this.#brought?.get(socket);
    const source = proxied?.header?.addresses?.source ?? toldSource(brought, version);
    const remoteIp = source === undefined ? directIp : plainIp(source.host);
    const localIp = destination?.kind === 'socket' ? destination.host : plainIp(socket.localAddress);
    const localPort = destination?.kind === 'socket' ? destination.port : (socket.localPort ?? 0);
    const remotePort = source?.port ?? socket.remotePort ?? 0;
    const facts: ConnectionFacts = {
      destinationIp: localIp,
      destinationPort: localPort,
      serverName: inspection.serverName,
      transportProtocol: inspection.transportProtocol,
      applicationProtocols: inspection.applicationProtocols,
      directSourceIp: directIp,
      sourceIp: remoteIp,
      sourcePort: remotePort,
    };
    const info: ConnectionInfo = {
      id: this.#context.nextConnectionId(),
      remoteAddress: addressText(remoteIp, remotePort),
      remoteIp,
      // A connection of this process has no address below the one that it is told.
      ...(source === undefined || directIp === ''
        ? {}
        : { direct: { address: addressText(directIp, socket.remotePort ?? 0), ip: directIp } }),
      localAddress: addressText(localIp, localPort),
      localIp,
      localPort,
      requestedServerName: inspection.serverName,
      tls: undefined,
      originalDestination: destination,
      ...(brought?.filterState === undefined ? {} : { filterState: brought.filterState }),
      dynamicMetadata: brought?.metadata === undefined ? undefined : new Map(brought.metadata),
      ...(version.clientAddressMark === undefined
        ? {}
        : clientAddressOf(version.clientAddressMark, remoteIp, localIp, (reason) =>
            this.#onNoClientAddress(remoteIp, reason),
          )),
    };
    return { facts, info };
  }

  #serve(
    socket: Socket,
    version: ListenerVersion,
    destination: AddressConfig | undefined,
    inspection: Inspection,
    proxied: ProxiedConnection | undefined,
    ahead?: DialAhead,
  ): void {
    if (socket.destroyed || this.#closed) {
      ahead?.abandon();
      socket.destroy();
      return;
    }
    const { facts, info } = this.#describe(socket, version, destination, inspection, proxied);
    const chain = version.matcher.find(facts);
    const held = ahead?.claim(chain);
    if (held !== undefined && chain !== undefined) {
      this.#keep(socket, chain, held.release(inspection.early));
      this.#record(version, info)?.logWhenClosed(socket);
    } else if (chain === undefined) {
      this.stats.noFilterChainMatch.inc();
      this.#record(version, info)?.noFilterChain(socket);
      socket.destroy();
    } else if (chain.transport === undefined) {
      const served = this.#hand(socket, chain, info, inspection.early ?? proxied?.early);
      this.#record(version, info)?.logWhenClosed(served);
    } else this.#secure(socket, version, chain, chain.transport, info, inspection, proxied?.early);
  }

  #onNoClientAddress(client: string, reason: string): void {
    this.stats.clientAddressFailures.inc();
    this.#context.failures.info('no connection upstream from the address of the client', () => ({
      listener: this.name,
      client,
      reason,
    }));
  }

  /** For the access logs of the listener itself, if it has any. */
  #record(version: ListenerVersion, info: ConnectionInfo): ConnectionRecord | undefined {
    const { accessLogs } = version;
    return accessLogs.length === 0
      ? undefined
      : new ConnectionRecord(info, this.#context.options.clock, accessLogs);
  }

  /** Gives a connection to the network filter of its chain. */
  #hand(socket: Socket, chain: ActiveFilterChain, info: ConnectionInfo, early: Buffer | undefined): Socket {
    const served = chain.filter.adoptsSockets ? this.#adopt(socket) : socket;
    this.#keep(served, chain, chain.accept(served, info, early));
    return served;
  }

  /** Until it closes. */
  #keep(served: Socket, chain: ActiveFilterChain, connection: NetworkConnection): void {
    served.once('close', () => {
      chain.connections.delete(connection);
      if (chain.connections.size > 0) return;
      this.#leaving.get(chain)?.cancel();
      this.#leaving.delete(chain);
    });
    chain.add(connection);
  }

  /** From here on another socket is the connection. */
  #adopt(socket: Socket): Socket {
    const adopted = adoptSocket(socket);
    if (adopted !== socket) {
      this.#sockets.delete(socket);
      this.#sockets.add(adopted);
      adopted.once('close', () => this.#onSocketClose(adopted));
    }
    return adopted;
  }

  /** Has the client speak TLS first. What it says before anything is encrypted is looked at here if nobody has yet. */
  #secure(
    socket: Socket,
    version: ListenerVersion,
    chain: ActiveFilterChain,
    transport: DownstreamTransport,
    info: ConnectionInfo,
    inspection: Inspection,
    early: Buffer | undefined,
  ): void {
    if (inspection === NOTHING_SEEN) {
      socket.on('error', ignore);
      const { clock } = this.#context.options;
      const timeoutMs = chain.config.transportSocketConnectTimeoutMs || HELLO_TIMEOUT_MS;
      inspectSocket(
        socket,
        { clock, looksForTls: true, looksForHttp: false, timeoutMs, early },
        (found, timedOut) => {
          if (found !== undefined && !timedOut) {
            const named = { ...info, requestedServerName: found.serverName };
            this.#secure(socket, version, chain, transport, named, found, undefined);
            return;
          }
          if (timedOut) this.stats.transportSocketTimeout.inc();
          socket.destroy();
        },
      );
      return;
    }
    transport.accept(socket, inspection, info.remoteIp, {
      onAccepted: (secured, tls) => {
        if (this.#closed) secured.destroy();
        else {
          const known = { ...info, tls };
          const served = this.#hand(secured, chain, known, undefined);
          this.#record(version, known)?.logWhenClosed(served);
        }
      },
      onFailed: (reason, isTimeout) => {
        if (isTimeout) this.stats.transportSocketTimeout.inc();
        this.#record(version, info)?.transportFailed(socket, reason);
        this.#context.failures.info('TLS with a client failed', () => ({
          listener: this.name,
          filterChain: chain.config.name,
          client: info.remoteAddress,
          serverName: info.requestedServerName,
          reason,
        }));
      },
    });
  }

  #closeServers(): void {
    if (this.#brought !== undefined) this.#internalListeners.close(this.name, this.#onInternal);
    for (const server of this.#servers) server.close();
    this.#servers.length = 0;
  }

  #checkGone(): void {
    if (this.#sockets.size > 0) return;
    for (const timer of this.#leaving.values()) timer.cancel();
    this.#leaving.clear();
    this.#onChange();
  }
}

/** Under which keys of the filter state Envoy's original_dst filter finds addresses, and in whose metadata. */
const LOCAL_ADDRESS_KEY = 'envoy.filters.listener.original_dst.local_ip';
const REMOTE_ADDRESS_KEY = 'envoy.filters.listener.original_dst.remote_ip';
const ADDRESS_METADATA = 'envoy.filters.listener.original_dst';

/** Where a connection inside this process was going, or comes from, as whoever made it tells. */
function toldAddress(
  { filterState, metadata }: BroughtAlong,
  key: string,
  field: 'local' | 'remote',
): Extract<AddressConfig, { kind: 'socket' }> | undefined {
  const told = filterState?.get(key)?.value ?? metadata?.get(ADDRESS_METADATA)?.[field];
  const address = typeof told === 'string' ? parseAddress(told) : undefined;
  return address?.kind === 'socket' ? address : undefined;
}

function toldSource(
  brought: BroughtAlong | undefined,
  { findsOriginalDestination }: ListenerVersion,
): { readonly host: string; readonly port: number } | undefined {
  if (brought === undefined || !findsOriginalDestination) return undefined;
  return toldAddress(brought, REMOTE_ADDRESS_KEY, 'remote');
}

/** With TPROXY nothing is rewritten: a connection arrives at the address to which it was going. */
function arrivedAt(socket: Socket, { transparent }: ListenerConfig): AddressConfig | undefined {
  const { localAddress, localPort } = socket;
  if (transparent !== true || localAddress === undefined || localPort === undefined) return undefined;
  return { kind: 'socket', host: plainIp(localAddress), port: localPort, protocol: 'tcp' };
}

/** IPv4 inside IPv6, as dual-stack sockets report it, in its plain form. */
function plainIp(address: string | undefined): string {
  if (address === undefined) return '';
  if (!address.startsWith('::ffff:')) return address;
  const bytes = parseIp(address);
  return bytes?.length === 4 ? bytes.join('.') : address;
}

function addressText(host: string, port: number): string {
  if (host === '') return '';
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function ignore(): void {
  // 'close' follows every error.
}
