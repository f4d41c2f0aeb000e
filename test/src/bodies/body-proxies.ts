import { forgeCertificate, forgeRoot, uriName, type ForgedCertificate } from '@heddle/certs/testing';
import { ProxyGround } from '../faults/proxy-ground.js';
import { address, clusterJson, FILTERS, listenerJson, routeTo } from '../security/proxy-under-attack.js';
import { freePort } from '../support/free-port.js';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const HTTP2 = { http2_protocol_options: {} };
const UPSTREAMS = ['http1', 'http2', 'tcp'] as const;
export type Upstream = (typeof UPSTREAMS)[number];

const root = forgeRoot('bodies');
const identity = (name: string): ForgedCertificate =>
  forgeCertificate({ issuer: root, names: [uriName(`spiffe://td/ns/default/sa/${name}`)] });

/** Two proxies: the first speaks with the servers itself, or by mutual TLS with the second, which does. */
export class BodyProxies {
  readonly #first: ProxyGround;
  readonly #second: ProxyGround;
  readonly #ports: ReadonlyMap<string, number>;

  static async start(servers: Readonly<Record<Upstream, number>>): Promise<BodyProxies> {
    const ports = new Map<string, number>();
    for (const upstream of UPSTREAMS) {
      for (const where of ['plain', 'mtls', 'second']) ports.set(`${where} ${upstream}`, await freePort());
    }
    const portOf = (name: string): number => ports.get(name) ?? 0;
    const second = await ProxyGround.start({
      upstreamPort: 0,
      bootstrap: (admin) => ({
        admin: { address: address(admin) },
        static_resources: {
          clusters: UPSTREAMS.map((upstream) => clusterJson(upstream, servers[upstream], protocol(upstream))),
          listeners: UPSTREAMS.map((upstream) =>
            listenerFor(upstream, `second ${upstream}`, upstream, portOf(`second ${upstream}`), {
              transport_socket: serverTls(),
            }),
          ),
        },
      }),
    });
    const first = await ProxyGround.start({
      upstreamPort: 0,
      bootstrap: (admin) => ({
        admin: { address: address(admin) },
        static_resources: {
          clusters: UPSTREAMS.flatMap((upstream) => [
            clusterJson(`plain ${upstream}`, servers[upstream], protocol(upstream)),
            clusterJson(`mtls ${upstream}`, portOf(`second ${upstream}`), {
              ...protocol(upstream),
              transport_socket: clientTls(upstream),
            }),
          ]),
          listeners: ['plain', 'mtls'].flatMap((where) =>
            UPSTREAMS.map((upstream) => {
              const name = `${where} ${upstream}`;
              return listenerFor(upstream, name, name, portOf(name), {});
            }),
          ),
        },
      }),
    });
    return new BodyProxies(first, second, ports);
  }

  private constructor(first: ProxyGround, second: ProxyGround, ports: ReadonlyMap<string, number>) {
    this.#first = first;
    this.#second = second;
    this.#ports = ports;
  }

  /** Where bodies for that server are taken. */
  port(where: 'plain' | 'mtls', upstream: Upstream): number {
    return this.#ports.get(`${where} ${upstream}`) ?? 0;
  }

  get pids(): readonly number[] {
    return [this.#first, this.#second].map(({ program }) => program.pid ?? 0);
  }

  /** What both wrote, for messages. */
  get output(): string {
    return `${this.#first.program.output}\n${this.#second.program.output}`;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#first.stop(), this.#second.stop()]);
  }
}

function protocol(upstream: Upstream): object {
  return upstream === 'http2' ? HTTP2 : {};
}

function listenerFor(upstream: Upstream, name: string, cluster: string, port: number, chain: object): object {
  if (upstream !== 'tcp') {
    const routes = [routeTo(cluster, '/', { timeout: '0s' })];
    return listenerJson(name, { routes, chain }, '/dev/null', port);
  }
  return {
    name,
    address: address(port),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.tcp_proxy',
            typed_config: {
              '@type': `${FILTERS}.network.tcp_proxy.v3.TcpProxy`,
              stat_prefix: name,
              cluster,
            },
          },
        ],
        ...chain,
      },
    ],
  };
}

function common(own: ForgedCertificate, alpn: readonly string[]): object {
  return {
    alpn_protocols: alpn,
    tls_certificates: [
      {
        certificate_chain: { inline_string: own.certificatePem },
        private_key: { inline_string: own.keyPem },
      },
    ],
    validation_context: {
      trusted_ca: { inline_string: root.certificatePem },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://td/' } }],
    },
  };
}

function serverTls(): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TLS}.DownstreamTlsContext`,
      require_client_certificate: true,
      common_tls_context: common(identity('second'), ['h2', 'http/1.1', 'istio']),
    },
  };
}

function clientTls(upstream: Upstream): object {
  const alpn = { http1: 'http/1.1', http2: 'h2', tcp: 'istio' }[upstream];
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TLS}.UpstreamTlsContext`,
      sni: 'second.example',
      common_tls_context: common(identity('first'), [alpn]),
    },
  };
}
