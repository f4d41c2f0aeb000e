import { stringify } from 'yaml';
import { ARMED_CLUSTER, ARMED_RATE_LIMIT, ARMED_RETRIES } from './armed-features.js';
import { hostName, routePrefix } from './routing-shape.js';
import { handshakeBootstrap } from './handshake-bootstrap.js';
import type { SubjectSetup } from './subject.js';
import { tcpBootstrap } from './tcp-bootstrap.js';
import { downstreamTls, upstreamTls } from './tls-contexts.js';

const TYPE_PREFIX = 'type.googleapis.com/envoy.extensions';

/** The fields that a sidecar's access log has by default in Istio, as far as plain HTTP fills them. */
export const ACCESS_LOG_FIELDS = {
  start_time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  route_name: '%ROUTE_NAME%',
};

const HTTP2_OPTIONS = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${TYPE_PREFIX}.upstreams.http.v3.HttpProtocolOptions`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

/** The one bootstrap file that starts both Envoy and heddle-proxy. */
export function envoyBootstrap(setup: SubjectSetup, accessLogFile: string): string {
  if (setup.handshakes !== undefined) return handshakeBootstrap(setup, setup.handshakes);
  if (setup.tcp === true) return tcpBootstrap(setup, accessLogFile);
  const { mtls } = setup;
  return stringify({
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: loopback(setup.adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'inbound',
          address: loopback(setup.listenPort),
          filter_chains: [
            {
              filters: [connectionManager(setup, accessLogFile)],
              ...(mtls?.side === 'server' ? { transport_socket: downstreamTls(mtls.certificates) } : {}),
            },
          ],
        },
      ],
      clusters: Array.from({ length: setup.shape.virtualHosts }, (_, host) => cluster(host, setup)),
    },
  });
}

function connectionManager(setup: SubjectSetup, accessLogFile: string): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${TYPE_PREFIX}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'inbound',
      access_log: [
        {
          name: 'envoy.access_loggers.file',
          typed_config: {
            '@type': `${TYPE_PREFIX}.access_loggers.file.v3.FileAccessLog`,
            path: accessLogFile,
            log_format: { json_format: ACCESS_LOG_FIELDS },
          },
        },
      ],
      route_config: {
        name: 'routes',
        virtual_hosts: Array.from({ length: setup.shape.virtualHosts }, (_, host) =>
          virtualHost(host, setup),
        ),
      },
      http_filters: [
        ...(setup.armed === true ? [ARMED_RATE_LIMIT] : []),
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': `${TYPE_PREFIX}.filters.http.router.v3.Router` },
        },
      ],
    },
  };
}

function virtualHost(host: number, { shape, armed }: SubjectSetup): object {
  return {
    name: hostName(host),
    domains: [hostName(host)],
    routes: Array.from({ length: shape.routesPerHost }, (_, route) => ({
      name: `route-${host}-${route}`,
      match: { prefix: routePrefix(route) },
      route: {
        cluster: `cluster-${host}`,
        timeout: '15s',
        retry_policy:
          armed === true
            ? ARMED_RETRIES
            : { retry_on: 'connect-failure,refused-stream,reset', num_retries: 2 },
      },
    })),
  };
}

function cluster(host: number, { shape, backendPort, mtls, armed, http2 }: SubjectSetup): object {
  const name = `cluster-${host}`;
  // The backend, and addresses at which nobody is.
  const addresses = Array.from({ length: shape.endpointsPerHost ?? 1 }, (_, i) =>
    i === 0 ? loopback(backendPort) : socket(`127.${1 + (host >> 8)}.${host & 0xff}.${i}`, backendPort),
  );
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: addresses.map((address) => ({ endpoint: { address } })) }],
    },
    ...(armed === true ? ARMED_CLUSTER : {}),
    ...(http2 === true ? HTTP2_OPTIONS : {}),
    ...(mtls?.side === 'client' ? { transport_socket: upstreamTls(mtls.certificates) } : {}),
  };
}

function loopback(port: number): object {
  return socket('127.0.0.1', port);
}

function socket(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}
