import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@heddle/common';
import { loadBootstrap, parseCommandLine, Server } from '@heddle/data-plane';
import { RecordingUpstream, type RecordedRequest } from '../support/recording-upstream.js';
import { rawExchange, type RawExchange, type RawExchangeOptions } from '../support/raw-exchange.js';
import { RecordingHttp2Upstream } from './recording-http2-upstream.js';

export const FILTERS = 'type.googleapis.com/envoy.extensions.filters';

/** Parts of a bootstrap, in Envoy's form. */
export interface AttackedListener {
  /** Of its connection manager; merged over what every one has. */
  readonly manager?: object;
  /** HTTP filters before the router. */
  readonly filters?: readonly object[];
  /** Default: everything goes to `h1`. */
  readonly routes?: readonly object[];
  /** Of the listener itself. */
  readonly listener?: object;
  /** Of its one filter chain. */
  readonly chain?: object;
}

export interface ProxyUnderAttackOptions {
  /** By name; default: one that is called `plain` with nothing set. */
  readonly listeners?: Readonly<Record<string, AttackedListener>>;
  /** Whole listeners and clusters beside them. */
  readonly further?: { readonly listeners?: readonly object[]; readonly clusters?: readonly object[] };
}

/** Two upstreams that keep what reaches them, and a whole proxy of this process before them: as a bootstrap makes it, with every default. */
export class ProxyUnderAttack {
  readonly h1 = new RecordingUpstream('h1');
  readonly h2 = new RecordingHttp2Upstream();
  readonly #folder: string;
  #server: Server | undefined;

  static async start(options: ProxyUnderAttackOptions = {}): Promise<ProxyUnderAttack> {
    const proxy = new ProxyUnderAttack(await mkdtemp(join(tmpdir(), 'heddle-security-')));
    try {
      await proxy.#start(options);
      return proxy;
    } catch (thrown) {
      await proxy.close();
      throw thrown;
    }
  }

  private constructor(folder: string) {
    this.#folder = folder;
  }

  async #start(options: ProxyUnderAttackOptions): Promise<void> {
    const clusters = [
      clusterJson('h1', await this.h1.listen()),
      clusterJson('h2', await this.h2.listen(), { http2_protocol_options: {} }),
      ...(options.further?.clusters ?? []),
    ];
    const listeners = Object.entries(options.listeners ?? { plain: {} }).map(([name, listener]) =>
      listenerJson(name, listener, join(this.#folder, 'access.log')),
    );
    const bootstrap = {
      node: { id: 'attacked' },
      admin: { address: address(0) },
      static_resources: { clusters, listeners: [...listeners, ...(options.further?.listeners ?? [])] },
    };
    const parsed = parseCommandLine(['--config-yaml', JSON.stringify(bootstrap)]);
    if (parsed.kind !== 'run') throw new Error('the command line of the test is wrong');
    this.#server = new Server({ config: await loadBootstrap(parsed.commandLine), log: silentLogger });
    await this.#server.start();
  }

  port(listener = 'plain'): number {
    const found = this.#server?.summary().listeners.find((line) => line.startsWith(`${listener} `));
    if (found === undefined) throw new Error(`no listener is called ${listener}`);
    return Number(found.split(':').at(-1));
  }

  get adminAddress(): string {
    return this.#server?.summary().admin ?? '';
  }

  /** Sends these very bytes (Latin-1), and then, on another connection, a request that has to be served. */
  async raw(
    bytes: string,
    options: RawExchangeOptions & { readonly listener?: string } = {},
  ): Promise<RawExchange> {
    const port = this.port(options.listener);
    const exchange = await rawExchange(port, Buffer.from(bytes, 'latin1'), { timeoutMs: 20_000, ...options });
    // Whatever the first bytes made the proxy send has been sent when this is answered.
    await rawExchange(port, `GET ${MARKER} HTTP/1.1\r\nHost: marker\r\n\r\n`, { timeoutMs: 20_000 });
    return exchange;
  }

  /** What reached the HTTP/1.1 upstream since the last call. */
  received(): readonly RecordedRequest[] {
    return this.h1.takeRecorded().filter(({ startLine }) => !startLine.includes(MARKER));
  }

  /** The access log, as text. */
  async log(wanted: RegExp): Promise<string> {
    for (;;) {
      const text = await readFile(join(this.#folder, 'access.log'), 'utf8').catch(() => '');
      if (wanted.test(text)) return text;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async close(): Promise<void> {
    await this.#server?.close();
    await this.h1.close();
    await this.h2.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const MARKER = '/marker-of-the-test';

/** The status of each final or interim answer. */
export function statusesOf(exchange: RawExchange): readonly number[] {
  return exchange.answers.map(({ startLine }) => Number(startLine.split(' ')[1]));
}

export function address(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

export function clusterJson(name: string, port: number, config: object = {}): object {
  return {
    name,
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
    },
    ...config,
  };
}

export function routeTo(cluster: string, prefix = '/', action: object = {}): object {
  return { match: { prefix }, route: { cluster, ...action } };
}

/** A policy of HTTP: `rules` as Envoy's RBAC has them. */
export function rbacFilter(action: 'ALLOW' | 'DENY', permission: object): object {
  return {
    name: 'envoy.filters.http.rbac',
    typed_config: {
      '@type': `${FILTERS}.http.rbac.v3.RBAC`,
      rules: { action, policies: { policy: { permissions: [permission], principals: [{ any: true }] } } },
    },
  };
}

/** A listener of a bootstrap. `log`: the file of its access log. */
export function listenerJson(
  name: string,
  { manager, filters, routes, listener, chain }: AttackedListener,
  log: string,
  port = 0,
): object {
  const fileLog = {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
      path: log,
    },
  };
  return {
    name,
    address: address(port),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': `${FILTERS}.network.http_connection_manager.v3.HttpConnectionManager`,
              stat_prefix: name,
              access_log: [fileLog],
              http_filters: [
                ...(filters ?? []),
                {
                  name: 'envoy.filters.http.router',
                  typed_config: { '@type': `${FILTERS}.http.router.v3.Router` },
                },
              ],
              route_config: {
                name: 'routes',
                virtual_hosts: [{ name: 'all', domains: ['*'], routes: routes ?? [routeTo('h1')] }],
              },
              ...manager,
            },
          },
        ],
        ...chain,
      },
    ],
    ...listener,
  };
}
