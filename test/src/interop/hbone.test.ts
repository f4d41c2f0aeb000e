import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { forgeCertificate, forgeRoot, uriName, type ForgedCertificate } from '@heddle/certs/testing';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { heddleProxy, realEnvoy, type ProxySubject } from '../support/proxy-subjects.js';
import type { RunningProgram } from '../support/running-program.js';

const root = forgeRoot('mesh');
const identityOf = (account: string): string => `spiffe://cluster.local/ns/default/sa/${account}`;
const workload = (account: string, issuer = root): ForgedCertificate =>
  forgeCertificate({ issuer, names: [uriName(identityOf(account))] });
const subjects: readonly ProxySubject[] = [heddleProxy(), realEnvoy()];
const pairs = subjects
  .flatMap((calling) => subjects.map((called) => [calling, called] as const))
  .filter((pair) => pair.some(({ name }) => name === 'heddle-proxy'));

/** A caller's sidecar and a service's, with the listeners and clusters that Istio gives them for HBONE. */
for (const [calling, called] of pairs) {
  const skip = calling.missing ?? called.missing ?? false;
  describe(`HBONE from ${calling.name} to ${called.name}`, { skip }, () => {
    let folder = '';
    const programs: RunningProgram[] = [];
    const ports = { backend: 0, tunnel: 0, http: 0, stranger: 0, admin: [0, 0, 0] };
    const callers: unknown[] = [];
    const backend: Server = createServer((request, response) => {
      callers.push(request.headers['x-caller']);
      // What comes is what goes.
      request.pipe(response);
    });

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'heddle-hbone-'));
      await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
      ports.backend = (backend.address() as AddressInfo).port;
      ports.tunnel = await freePort();
      ports.http = await freePort();
      ports.stranger = await freePort();
      for (let i = 0; i < ports.admin.length; i++) ports.admin[i] = await freePort();
      const start = async (subject: ProxySubject, name: string, bootstrap: unknown): Promise<void> => {
        const file = join(folder, `${name}.json`);
        await writeFile(file, JSON.stringify(bootstrap));
        programs.push(subject.start(file, join(folder, name)));
      };
      const [a = 0, b = 0, c = 0] = ports.admin;
      await start(called, 'called', calledBootstrap(a, ports, workload('called')));
      await start(calling, 'calling', callingBootstrap(b, ports.http, ports, workload('caller')));
      const stranger = workload('caller', forgeRoot('another mesh'));
      await start(calling, 'stranger', callingBootstrap(c, ports.stranger, ports, stranger));
      for (const port of ports.admin) {
        await eventually(async () => (await httpCall(port, '/ready')).status === 200, outputs);
      }
    });
    after(async () => {
      for (const program of programs) await program.stop(2000);
      backend.closeAllConnections();
      backend.close();
      await rm(folder, { recursive: true, force: true });
    });

    const outputs = (): string => programs.map(({ output }) => output).join('\n');

    it('carries requests through a tunnel, and tells who calls', async () => {
      const answer = await httpCall(ports.http, '/', { method: 'POST', body: 'hello' });
      assert.deepEqual([answer.status, answer.body], [200, 'hello'], outputs());
      assert.deepEqual(callers, [identityOf('caller')]);
    });

    it('carries many at once, whole', async () => {
      const bodies = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i).repeat(50_000 + i));
      const answers = await Promise.all(
        bodies.map((body) => httpCall(ports.http, '/', { method: 'POST', body })),
      );
      assert.deepEqual(
        answers.map(({ status, body }, i) => [status, body === bodies[i]]),
        bodies.map(() => [200, true]),
      );
    });

    it('carries a large body both ways', async () => {
      const body = 'large '.repeat(500_000);
      const answer = await httpCall(ports.http, '/', { method: 'POST', body });
      assert.deepEqual([answer.status, answer.body.length, answer.body === body], [200, body.length, true]);
    });

    it('is refused to who is not of the mesh', async () => {
      callers.length = 0;
      assert.equal((await httpCall(ports.stranger, '/')).status, 503);
      assert.deepEqual(callers, []);
    });
  });
}

const TYPES = 'type.googleapis.com/envoy';
const NETWORK = `${TYPES}.extensions.filters.network`;

interface Ports {
  readonly backend: number;
  readonly tunnel: number;
}

function bootstrap(adminPort: number, listeners: readonly object[], clusters: readonly object[]): object {
  return {
    admin: { address: at(adminPort) },
    node: { id: 'hbone', cluster: 'hbone' },
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typed_config: { '@type': `${TYPES}.extensions.bootstrap.internal_listener.v3.InternalListener` },
      },
    ],
    static_resources: { listeners, clusters },
  };
}

/** `connect_terminate` and `main_internal`. */
function calledBootstrap(adminPort: number, { backend, tunnel }: Ports, own: ForgedCertificate): object {
  const state = (key: string, format: string): object => ({
    object_key: key,
    ...(key.startsWith('envoy.') ? {} : { factory_key: 'envoy.string' }),
    format_string: { text_format_source: { inline_string: format } },
    shared_with_upstream: 'ONCE',
  });
  const terminate = {
    name: 'connect_terminate',
    address: at(tunnel),
    filter_chains: [
      {
        name: 'default',
        transport_socket: {
          name: 'tls',
          typed_config: {
            '@type': `${TYPES}.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
            require_client_certificate: true,
            common_tls_context: tlsContext(own),
          },
        },
        filters: [
          connectionManager('connect_terminate', {
            stream_idle_timeout: '0s',
            upgrade_configs: [{ upgrade_type: 'CONNECT' }],
            http2_protocol_options: {
              allow_connect: true,
              max_concurrent_streams: 100,
              connection_keepalive: { interval: '10s', timeout: '20s' },
            },
            http_filters: [
              {
                name: 'connect_authority',
                typed_config: {
                  '@type': `${TYPES}.extensions.filters.http.set_filter_state.v3.Config`,
                  on_request_headers: [
                    state('envoy.filters.listener.original_dst.local_ip', '%REQ(:AUTHORITY)%'),
                    state(
                      'envoy.filters.listener.original_dst.remote_ip',
                      '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%',
                    ),
                    state('io.istio.peer_principal', '%DOWNSTREAM_PEER_URI_SAN%'),
                    state('io.istio.local_principal', '%DOWNSTREAM_LOCAL_URI_SAN%'),
                  ],
                },
              },
              router,
            ],
            routes: [
              {
                match: { connect_matcher: {} },
                route: {
                  cluster: 'main_internal',
                  upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
                },
              },
            ],
          }),
        ],
      },
    ],
  };
  const internal = {
    name: 'main_internal',
    internal_listener: {},
    traffic_direction: 'INBOUND',
    listener_filters: [originalDestination],
    filter_chains: [
      {
        filter_chain_match: {
          destination_port: backend,
          prefix_ranges: [{ address_prefix: '127.0.0.1', prefix_len: 32 }],
        },
        filters: [
          connectionManager('inbound', {
            http_filters: [router],
            routes: [
              {
                match: { prefix: '/' },
                route: { cluster: 'backend' },
                request_headers_to_add: [
                  { header: { key: 'x-caller', value: '%FILTER_STATE(io.istio.peer_principal:PLAIN)%' } },
                ],
              },
            ],
          }),
        ],
      },
    ],
  };
  return bootstrap(
    adminPort,
    [terminate, internal],
    [
      {
        ...staticCluster('main_internal', inside('main_internal')),
        transport_socket: internalUpstream([]),
      },
      staticCluster('backend', at(backend)),
    ],
  );
}

/** `connect_originate`, and a service whose endpoint is behind it. */
function callingBootstrap(
  adminPort: number,
  httpPort: number,
  { backend, tunnel }: Ports,
  own: ForgedCertificate,
): object {
  const http = {
    name: 'http',
    address: at(httpPort),
    filter_chains: [
      {
        filters: [
          connectionManager('http', {
            http_filters: [router],
            routes: [{ match: { prefix: '/' }, route: { cluster: 'outbound' } }],
          }),
        ],
      },
    ],
  };
  const originate = {
    name: 'connect_originate',
    internal_listener: {},
    listener_filters: [originalDestination],
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.tcp_proxy',
            typed_config: {
              '@type': `${NETWORK}.tcp_proxy.v3.TcpProxy`,
              stat_prefix: 'connect_originate',
              cluster: 'connect_originate',
              tunneling_config: { hostname: '%DOWNSTREAM_LOCAL_ADDRESS%' },
            },
          },
        ],
      },
    ],
  };
  const address = `127.0.0.1:${backend}`;
  const outbound = {
    ...staticCluster('outbound', inside('connect_originate', address), {
      'envoy.filters.listener.original_dst': { local: address },
      'envoy.transport_socket_match': { tunnel: 'http' },
    }),
    transport_socket_matches: [
      {
        name: 'hbone',
        match: { tunnel: 'http' },
        transport_socket: internalUpstream(['envoy.filters.listener.original_dst', 'istio']),
      },
      { name: 'tlsMode-disabled', match: {}, transport_socket: rawBuffer },
    ],
  };
  const tunnels = {
    name: 'connect_originate',
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '5s',
    original_dst_lb_config: {
      upstream_port_override: tunnel,
      metadata_key: { key: 'envoy.filters.listener.original_dst', path: [{ key: 'waypoint' }] },
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: { allow_connect: true } },
      },
    },
    transport_socket: {
      name: 'tls',
      typed_config: {
        '@type': `${TYPES}.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
        common_tls_context: tlsContext(own),
      },
    },
  };
  return bootstrap(adminPort, [http, originate], [outbound, tunnels]);
}

const router = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': `${TYPES}.extensions.filters.http.router.v3.Router` },
};
const originalDestination = {
  name: 'envoy.filters.listener.original_dst',
  typed_config: { '@type': `${TYPES}.extensions.filters.listener.original_dst.v3.OriginalDst` },
};
const rawBuffer = {
  name: 'envoy.transport_sockets.raw_buffer',
  typed_config: { '@type': `${TYPES}.extensions.transport_sockets.raw_buffer.v3.RawBuffer` },
};

function connectionManager(name: string, { routes, ...config }: Record<string, unknown>): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${NETWORK}.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: name,
      route_config: { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
      ...config,
    },
  };
}

function internalUpstream(namespaces: readonly string[]): object {
  return {
    name: 'envoy.transport_sockets.internal_upstream',
    typed_config: {
      '@type': `${TYPES}.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport`,
      passthrough_metadata: namespaces.map((name) => ({ kind: { host: {} }, name })),
      transport_socket: rawBuffer,
    },
  };
}

/** As a workload of the mesh has it on both sides: TLS 1.3 and HTTP/2 alone, with anybody of the mesh. */
function tlsContext(own: ForgedCertificate): object {
  return {
    alpn_protocols: ['h2'],
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [
      {
        certificate_chain: { inline_string: own.certificatePem },
        private_key: { inline_string: own.keyPem },
      },
    ],
    validation_context: {
      trusted_ca: { inline_string: root.certificatePem },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } }],
    },
  };
}

function staticCluster(name: string, address: object, metadata?: Record<string, object>): object {
  const endpoint = {
    endpoint: { address },
    ...(metadata === undefined ? {} : { metadata: { filter_metadata: metadata } }),
  };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
  };
}

function at(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

function inside(listener: string, endpointId = ''): object {
  return { envoy_internal_address: { server_listener_name: listener, endpoint_id: endpointId } };
}
