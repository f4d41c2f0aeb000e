import type { Socket } from 'node:net';
import type { Clock } from '@heddle/common';
import type { ProxyProtocolConfig } from '@heddle/engine';
import type { Counter, StatsStore } from '../stats/stats-store.js';
import { readProxyHeader, type ProxyHeader } from '../codec/proxy-protocol/proxy-header.js';

/** What came before, and behind, the header of a connection. */
export interface ProxiedConnection {
  /** undefined: it may do without, and does. */
  readonly header: ProxyHeader | undefined;
  /** The client's own first bytes that were read with it. */
  readonly early: Buffer | undefined;
}

/** The names are Envoy's. */
export class ProxyProtocolStats {
  readonly notFoundAllowed: Counter;
  readonly notFoundDisallowed: Counter;
  readonly #versions: readonly Record<'found' | 'disallowed' | 'error', Counter>[];

  constructor(store: StatsStore, statPrefix: string) {
    const prefix = statPrefix === '' ? 'proxy_proto' : `proxy_proto.${statPrefix}`;
    this.notFoundAllowed = store.counter(`${prefix}.not_found_allowed`);
    this.notFoundDisallowed = store.counter(`${prefix}.not_found_disallowed`);
    this.#versions = [1, 2].map((version) => {
      const counter = (name: string): Counter => store.counter(`${prefix}.versions.v${version}.${name}`);
      return { found: counter('found'), disallowed: counter('disallowed'), error: counter('error') };
    });
  }

  of(version: 1 | 2): Record<'found' | 'disallowed' | 'error', Counter> {
    return this.#versions[version - 1] as Record<'found' | 'disallowed' | 'error', Counter>;
  }
}

interface AwaitOptions {
  readonly clock: Clock;
  readonly config: ProxyProtocolConfig;
  readonly stats: ProxyProtocolStats;
  /** 0 disables. */
  readonly timeoutMs: number;
}

/** What became of the wait: the connection goes on, or why it does not. */
export type AwaitedHeader =
  | { readonly kind: 'proxied'; readonly connection: ProxiedConnection }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'refused'; readonly problem: string };

/**
 * Waits for the PROXY protocol's header at the start of a connection; the socket is paused afterwards.
 *
 * Calls back once. Holds no more than one header and what came in one piece with its end.
 */
export function awaitProxyHeader(
  socket: Socket,
  { clock, config, stats, timeoutMs }: AwaitOptions,
  callback: (awaited: AwaitedHeader) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0);
  const finish = (awaited: AwaitedHeader): void => {
    timer?.cancel();
    socket.pause();
    socket.removeListener('data', onData);
    socket.removeListener('end', onEnd);
    socket.removeListener('close', onEnd);
    callback(awaited);
  };
  const timer = timeoutMs > 0 ? clock.setTimer(timeoutMs, () => finish({ kind: 'timeout' })) : undefined;
  const goOn = (header: ProxyHeader | undefined): void => {
    const rest = bytes.subarray(header?.length ?? 0);
    finish({ kind: 'proxied', connection: { header, early: rest.length === 0 ? undefined : rest } });
  };
  const refuse = (problem: string): void => finish({ kind: 'refused', problem });
  const onData = (chunk: Buffer): void => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const verdict = readProxyHeader(bytes);
    switch (verdict.kind) {
      case 'more':
        return;
      case 'none':
        if (config.allowsWithout) {
          stats.notFoundAllowed.inc();
          goOn(undefined);
        } else {
          stats.notFoundDisallowed.inc();
          refuse('the connection does not begin with a header of the PROXY protocol');
        }
        return;
      case 'broken':
        stats.of(verdict.version).error.inc();
        refuse(`the header of the PROXY protocol cannot be read: ${verdict.problem}`);
        return;
      case 'header': {
        const { version } = verdict.header;
        const counters = stats.of(version);
        counters.found.inc();
        if (config.versions.includes(version)) goOn(verdict.header);
        else {
          counters.disallowed.inc();
          refuse(`version ${version} of the PROXY protocol is not allowed here`);
        }
      }
    }
  };
  const onEnd = (): void => refuse('the connection ended before its header of the PROXY protocol');
  socket.on('data', onData);
  socket.once('end', onEnd);
  socket.once('close', onEnd);
  // It may have waited, paused.
  socket.resume();
}
