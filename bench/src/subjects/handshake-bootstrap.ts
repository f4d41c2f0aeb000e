import { stringify } from 'yaml';
import type { SubjectSetup } from './subject.js';
import { downstreamTls, upstreamTls } from './tls-contexts.js';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters';

/** A proxy that does little but shake hands: as a server it sends back what comes, as a client it relays bytes. */
export function handshakeBootstrap(
  setup: SubjectSetup,
  handshakes: NonNullable<SubjectSetup['handshakes']>,
): string {
  const { side, resumes, certificates } = handshakes;
  const chain =
    side === 'server'
      ? { transport_socket: downstreamTls(certificates), filters: [echo()] }
      : { filters: [handshakeRelay()] };
  return stringify({
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: loopback(setup.adminPort) },
    static_resources: {
      listeners: [{ name: 'inbound', address: loopback(setup.listenPort), filter_chains: [chain] }],
      clusters: side === 'server' ? [] : [tlsCluster(setup.backendPort, certificates, resumes)],
    },
  });
}

function echo(): object {
  return {
    name: 'envoy.filters.network.echo',
    typed_config: { '@type': `${FILTERS}.network.echo.v3.Echo` },
  };
}

/** The filter that passes every connection on to the cluster `server`. */
export function handshakeRelay(fields: object = {}): object {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': `${FILTERS}.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: 'outbound',
      cluster: 'server',
      ...fields,
    },
  };
}

function tlsCluster(port: number, certificates: string, resumes: boolean): object {
  const endpoint = { endpoint: { address: loopback(port) } };
  return {
    name: 'server',
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: { cluster_name: 'server', endpoints: [{ lb_endpoints: [endpoint] }] },
    transport_socket: upstreamTls(certificates, resumes),
    // Every connection of the benchmark is one here: no breaker may open.
    circuit_breakers: { thresholds: [{ max_connections: 100000, max_pending_requests: 100000 }] },
  };
}

export function loopback(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
