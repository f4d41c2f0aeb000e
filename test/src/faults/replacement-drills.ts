import { forgeCertificate, forgeRoot, uriName, type ForgedCertificate } from '@heddle/certs/testing';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import type { DrillGround, DrillOutcome } from './drill.js';
import { EchoUpstreams } from './echo-upstreams.js';
import {
  grpcStreamCallers,
  grpcUnaryCallers,
  http2Callers,
  tcpCallers,
  webSocketCallers,
  type ProtocolCallers,
} from './protocol-callers.js';
import { ProxyGround } from './proxy-ground.js';
import { SteadyCallers, together } from './steady-callers.js';

/** Connections of each protocol: as many as any machine bears beside other work, and as many as were promised. */
const SIZES = [
  { connections: 16, onlyWhenNamed: false },
  { connections: 64, onlyWhenNamed: true },
];
const REPLACEMENTS = 10;
const DRAIN_S = 15;
/** Connections that nobody ends: they last longer than any drain. */
const ENDLESS = 2;
const MANAGER =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const TCP_PROXY = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const HTTP_OPTIONS = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Sidecars that are replaced while they carry every protocol, with one worker and with two. */
export function replacementDrills(): DrillGround {
  const upstreams = new EchoUpstreams();
  return {
    name: 'supervised proxies that are replaced',
    start: () => upstreams.listen(),
    stop: () => Promise.resolve(upstreams.close()),
    drills: SIZES.flatMap(({ connections, onlyWhenNamed }) =>
      [1, 2].map((workers) => ({
        name: `replaced ${REPLACEMENTS} times under ${connections} connections of each protocol, ${workers === 1 ? 'one worker' : 'two workers'}`,
        onlyWhenNamed,
        run: () => replaced(upstreams, connections, workers),
      })),
    ),
  };
}

async function replaced(
  upstreams: EchoUpstreams,
  connections: number,
  workers: number,
): Promise<DrillOutcome> {
  const pair = certificates();
  const [grpc, tcp, tls] = [await freePort(), await freePort(), await freePort()];
  const args = ['--supervise', '--drain-time-s', String(DRAIN_S), '--concurrency', String(workers)];
  const start = (bootstrap: (admin: number, port: number) => unknown): Promise<ProxyGround> =>
    ProxyGround.start({ upstreamPort: 0, args, bootstrap });
  const server = await start((admin, port) =>
    bootstrapOf(
      admin,
      [
        listener('http', port, manager('http')),
        listener('grpc', grpc, manager('grpc')),
        listener('tcp', tcp, tcpProxy()),
        { ...listener('tls', tls, manager('http'), serverTls(pair)) },
      ],
      [
        cluster('http', upstreams.httpPort),
        { ...cluster('grpc', upstreams.grpcPort), ...speaksHttp2() },
        cluster('tcp', upstreams.tcpPort),
      ],
    ),
  );
  const client = await start((admin, port) =>
    bootstrapOf(
      admin,
      [listener('http', port, manager('pair'))],
      [{ ...cluster('pair', tls), transport_socket: clientTls(pair) }],
    ),
  );
  const plain = new SteadyCallers({ port: server.port, callers: connections, pauseMs: 150 });
  const secured = new SteadyCallers({ port: client.port, callers: connections, pauseMs: 150 });
  const others = [
    http2Callers(server.port, connections),
    grpcUnaryCallers(grpc, connections),
    grpcStreamCallers(grpc, connections),
    tcpCallers(tcp, connections),
    webSocketCallers(server.port, connections),
  ];
  const endless = [grpcStreamCallers(grpc, ENDLESS, true), tcpCallers(tcp, ENDLESS, true)];
  try {
    await plain.more(connections);
    for (let turn = 1; turn <= REPLACEMENTS; turn++)
      await Promise.all([replace(server, turn), replace(client, turn)]);
    await plain.more(connections);
  } finally {
    await Promise.all([plain, secured, ...others, ...endless].map((one) => one.stop()));
    await Promise.all([client.stop(), server.stop()]);
  }
  const { requests, failures } = together(plain, secured);
  return {
    requests: others.reduce((sum, one) => sum + one.requests, requests),
    failures,
    figures: [
      [
        `HTTP/1.1 ${plain.requests}`,
        `mutual TLS ${secured.requests}`,
        ...others.map((one) => `${one.protocol} ${one.requests}`),
      ].join(', '),
      `${others.reduce((sum, { notSent }) => sum + notSent, 0)} requests of HTTP/2 had not left their client when it was told to go away, and left by its next connection`,
      ...endless.map(cutOff),
    ],
    // None of the others has a reason to fail.
    problems: others.flatMap((one) => [...one.failures].map(([reason, count]) => `${count} × ${reason}`)),
  };
}

/** What no proxy can help: whoever outlasts the drain is cut off with the process that carries it. */
function cutOff({ protocol, failures }: ProtocolCallers): string {
  const count = [...failures.values()].reduce((sum, one) => sum + one, 0);
  return `${count} of ${protocol} were cut off, for they last longer than the ${DRAIN_S} s of a drain`;
}

async function replace(proxy: ProxyGround, turn: number): Promise<void> {
  proxy.program.kill('SIGHUP');
  await eventually(
    () => (proxy.program.output.match(/"proxy replaced"/g)?.length ?? 0) >= turn,
    () => `replacement ${turn}: ${proxy.program.output.slice(-2000)}`,
    60_000,
  );
}

function bootstrapOf(admin: number, listeners: readonly object[], clusters: readonly object[]): unknown {
  return { admin: { address: address(admin) }, static_resources: { listeners, clusters } };
}

function listener(name: string, port: number, filter: object, transportSocket?: object): object {
  const chain = { filters: [filter], ...(transportSocket && { transport_socket: transportSocket }) };
  return { name, address: address(port), filter_chains: [chain] };
}

function manager(cluster: string): object {
  return {
    name: 'http',
    typed_config: {
      '@type': MANAGER,
      stat_prefix: cluster,
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      route_config: {
        virtual_hosts: [
          {
            name: 'any',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster, timeout: '0s' } }],
          },
        ],
      },
      http_filters: [{ name: 'router', typed_config: { '@type': ROUTER } }],
    },
  };
}

function tcpProxy(): object {
  return { name: 'tcp', typed_config: { '@type': TCP_PROXY, stat_prefix: 'tcp', cluster: 'tcp' } };
}

function cluster(name: string, port: number): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: { thresholds: [{ max_connections: 4096, max_requests: 4096 }] },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
    },
  };
}

function speaksHttp2(): object {
  const options = { '@type': HTTP_OPTIONS, explicit_http_config: { http2_protocol_options: {} } };
  return {
    typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options },
  };
}

interface Pair {
  readonly root: ForgedCertificate;
  readonly client: ForgedCertificate;
  readonly server: ForgedCertificate;
}

function certificates(): Pair {
  const root = forgeRoot('root');
  const of = (account: string): ForgedCertificate =>
    forgeCertificate({ issuer: root, names: [uriName(`spiffe://cluster.local/ns/a/sa/${account}`)] });
  return { root, client: of('client'), server: of('server') };
}

function commonTls(root: ForgedCertificate, own: ForgedCertificate): object {
  return {
    tls_certificates: [
      {
        certificate_chain: { inline_string: own.certificatePem },
        private_key: { inline_string: own.keyPem },
      },
    ],
    validation_context: { trusted_ca: { inline_string: root.certificatePem } },
  };
}

function serverTls({ root, server }: Pair): object {
  return {
    name: 'tls',
    typed_config: {
      '@type': `${TLS}.DownstreamTlsContext`,
      require_client_certificate: true,
      common_tls_context: commonTls(root, server),
    },
  };
}

function clientTls({ root, client }: Pair): object {
  return {
    name: 'tls',
    typed_config: { '@type': `${TLS}.UpstreamTlsContext`, common_tls_context: commonTls(root, client) },
  };
}

function address(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
