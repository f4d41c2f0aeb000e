import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall, type HttpAnswer } from '../support/http-call.js';
import { heddleProxy } from '../support/proxy-subjects.js';
import type { RunningProgram } from '../support/running-program.js';

/** How a proxy is told to fetch its configuration. */
export interface XdsForm {
  readonly variant: 'sotw' | 'delta';
  readonly streams: 'aggregated' | 'separate';
}

export const XDS_FORMS: readonly XdsForm[] = [
  { variant: 'sotw', streams: 'aggregated' },
  { variant: 'delta', streams: 'aggregated' },
  { variant: 'sotw', streams: 'separate' },
  { variant: 'delta', streams: 'separate' },
];

const CLUSTER = 'control-plane';

/** heddle-proxy with the shop's configuration from a control plane that is not heddled. */
export class ShopProxy {
  readonly #program: RunningProgram;
  readonly #folder: string;
  readonly #adminPort: number;

  static async start(form: XdsForm, xdsPort: number): Promise<ShopProxy> {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-foreign-'));
    const adminPort = await freePort();
    const file = join(folder, 'bootstrap.json');
    await writeFile(file, JSON.stringify(bootstrap(form, adminPort, xdsPort)));
    const proxy = new ShopProxy(heddleProxy().start(file, join(folder, 'state')), folder, adminPort);
    await eventually(
      async () => (await httpCall(adminPort, '/ready')).status === 200,
      () => `the proxy is not ready\n${proxy.output}`,
    );
    return proxy;
  }

  private constructor(program: RunningProgram, folder: string, adminPort: number) {
    this.#program = program;
    this.#folder = folder;
    this.#adminPort = adminPort;
  }

  get output(): string {
    return this.#program.output;
  }

  /** A request to the listener in plain text. */
  async call(path: string): Promise<HttpAnswer> {
    return httpCall(await this.#portOf('plain'), path);
  }

  /** The status of a request to the one with scopes. */
  async callFrom(region: string): Promise<number> {
    const headers = { 'x-region': region };
    return (await httpCall(await this.#portOf('scoped'), '/', { headers })).status;
  }

  /** A request to the one with TLS; resolves with the status and who answered the handshake. */
  async callSecurely(path: string): Promise<{ readonly status: number; readonly peer: string }> {
    const port = await this.#portOf('secure');
    return new Promise((resolve, reject) => {
      const sent = request({ port, path, agent: false, rejectUnauthorized: false }, (response) => {
        const { socket } = response as unknown as {
          socket: { getPeerCertificate(): { subject: { CN: string } } };
        };
        const peer = socket.getPeerCertificate().subject.CN;
        response.resume();
        response.on('end', () => resolve({ status: response.statusCode ?? 0, peer }));
      });
      sent.on('error', reject);
      sent.end();
    });
  }

  async stop(): Promise<void> {
    await this.#program.stop(2000);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #portOf(listener: string): Promise<number> {
    const { body } = await httpCall(this.#adminPort, '/listeners');
    const line = body.split('\n').find((one) => one.startsWith(`${listener}::`));
    return Number(line?.slice(line.lastIndexOf(':') + 1) ?? 0);
  }
}

function bootstrap({ variant, streams }: XdsForm, adminPort: number, xdsPort: number): object {
  const server = {
    api_type: variant === 'delta' ? 'DELTA_GRPC' : 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: CLUSTER } }],
  };
  const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const source =
    streams === 'aggregated'
      ? { resource_api_version: 'V3', ads: {} }
      : { resource_api_version: 'V3', api_config_source: server };
  return {
    node: { id: 'shop-proxy', cluster: 'shop' },
    admin: { address: address(adminPort) },
    layered_runtime: {
      layers: [{ name: 'mesh', rtds_layer: { name: 'shop-runtime', rtds_config: source } }],
    },
    dynamic_resources: {
      ...(streams === 'aggregated' ? { ads_config: server } : {}),
      lds_config: source,
      cds_config: source,
    },
    static_resources: {
      clusters: [
        {
          name: CLUSTER,
          type: 'STATIC',
          connect_timeout: '5s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: CLUSTER,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(xdsPort) } }] }],
          },
        },
      ],
    },
  };
}
