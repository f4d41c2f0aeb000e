import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { RunningProgram } from '../support/running-program.js';

const main = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/data-plane')));
const filters = 'type.googleapis.com/envoy.extensions.filters';

export interface ProxyOptions {
  readonly upstreamPort: number;
  /** Where it logs. Default: a file of its own. */
  readonly accessLog?: string;
  /** Adds to the cluster. */
  readonly cluster?: object;
  /** Adds to the bootstrap. */
  readonly further?: object;
  readonly args?: readonly string[];
  /** For Node itself. */
  readonly nodeArgs?: readonly string[];
  /** By what the program is started. Default: Node itself. */
  readonly command?: (
    node: string,
    args: readonly string[],
  ) => readonly [command: string, args: readonly string[]];
  readonly environment?: Readonly<Record<string, string>>;
  /** Instead of the bootstrap that is made here. */
  readonly bootstrap?: (adminPort: number, port: number) => unknown;
}

/** One heddle-proxy in front of one upstream. */
export class ProxyGround {
  readonly port: number;
  readonly adminPort: number;
  readonly folder: string;
  program: RunningProgram;
  readonly #options: ProxyOptions;

  static async start(options: ProxyOptions): Promise<ProxyGround> {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-faults-'));
    const [port, adminPort] = [await freePort(), await freePort()];
    const bootstrap = (options.bootstrap ?? ((admin, at) => staticBootstrap(admin, at, folder, options)))(
      adminPort,
      port,
    );
    await writeFile(join(folder, 'bootstrap.json'), JSON.stringify(bootstrap));
    const ground = new ProxyGround(port, adminPort, folder, options);
    await ground.untilReady();
    return ground;
  }

  private constructor(port: number, adminPort: number, folder: string, options: ProxyOptions) {
    this.port = port;
    this.adminPort = adminPort;
    this.folder = folder;
    this.#options = options;
    this.program = this.#start();
  }

  async untilReady(): Promise<void> {
    await eventually(
      async () => (await httpCall(this.adminPort, '/ready')).status === 200,
      () => `the proxy is not ready\n${this.program.output}`,
    );
  }

  /** After it has ended. */
  restart(): void {
    this.program = this.#start();
  }

  async counter(name: string): Promise<number> {
    const { body } = await httpCall(this.adminPort, '/stats');
    const line = body.split('\n').find((one) => one.startsWith(`${name}: `));
    return line === undefined ? 0 : Number(line.slice(name.length + 2));
  }

  async stop(): Promise<void> {
    await this.program.stop(2000);
    await rm(this.folder, { recursive: true, force: true });
  }

  #start(): RunningProgram {
    const { args = [], nodeArgs = [], environment = {} } = this.#options;
    const state = join(this.folder, 'state');
    const all = [...nodeArgs, main, '-c', join(this.folder, 'bootstrap.json'), '--state-dir', state, ...args];
    const [command, commandArgs] = this.#options.command?.(process.execPath, all) ?? [process.execPath, all];
    return new RunningProgram(command, commandArgs, { ...process.env, ...environment });
  }
}

/** Every bound on slow clients is short, so that a drill sees its end. */
function staticBootstrap(adminPort: number, port: number, folder: string, options: ProxyOptions): unknown {
  const address = (number: number): unknown => ({
    socket_address: { address: '127.0.0.1', port_value: number },
  });
  return {
    ...options.further,
    admin: { address: address(adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'http',
          address: address(port),
          filter_chains: [
            {
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    '@type': `${filters}.network.http_connection_manager.v3.HttpConnectionManager`,
                    stat_prefix: 'http',
                    request_headers_timeout: '1s',
                    request_timeout: '2s',
                    stream_idle_timeout: '2s',
                    common_http_protocol_options: { idle_timeout: '3s' },
                    access_log: [
                      {
                        name: 'envoy.access_loggers.file',
                        typed_config: {
                          '@type':
                            'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
                          path: options.accessLog ?? join(folder, 'access.log'),
                        },
                      },
                    ],
                    route_config: {
                      virtual_hosts: [
                        {
                          name: 'any',
                          domains: ['*'],
                          routes: [
                            { match: { prefix: '/stalls' }, route: { cluster: 'upstream', timeout: '0.3s' } },
                            {
                              match: { prefix: '/takes-nothing' },
                              route: {
                                cluster: 'upstream',
                                timeout: '0s',
                                retry_policy: { retry_on: 'reset', num_retries: 1 },
                              },
                            },
                            {
                              match: { prefix: '/tried' },
                              route: {
                                cluster: 'upstream',
                                timeout: '0s',
                                retry_policy: {
                                  retry_on: '5xx,reset',
                                  num_retries: 5,
                                  per_try_timeout: '0.3s',
                                },
                              },
                            },
                            {
                              match: { prefix: '/' },
                              route: {
                                cluster: 'upstream',
                                timeout: '0s',
                                retry_policy: { retry_on: 'reset,connect-failure', num_retries: 3 },
                              },
                            },
                          ],
                        },
                      ],
                    },
                    http_filters: [
                      {
                        name: 'envoy.filters.http.router',
                        typed_config: { '@type': `${filters}.http.router.v3.Router` },
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'upstream',
          type: 'STATIC',
          connect_timeout: '1s',
          circuit_breakers: { thresholds: [{ max_connections: 4096, max_requests: 4096, max_retries: 64 }] },
          load_assignment: {
            cluster_name: 'upstream',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(options.upstreamPort) } }] }],
          },
          ...options.cluster,
        },
      ],
    },
  };
}
