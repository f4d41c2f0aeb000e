import { stringify } from 'yaml';
import { handshakeRelay, loopback } from './handshake-bootstrap.js';
import type { SubjectSetup } from './subject.js';

const TYPE_PREFIX = 'type.googleapis.com/envoy.extensions';

/** The fields that a sidecar's access log has by default in Istio, as far as TCP fills them. */
const ACCESS_LOG_FIELDS = {
  start_time: '%START_TIME%',
  response_flags: '%RESPONSE_FLAGS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
};

/** A proxy that relays every connection to one backend, and writes a line for each. */
export function tcpBootstrap(setup: SubjectSetup, accessLogFile: string): string {
  const accessLog = {
    name: 'envoy.access_loggers.file',
    typed_config: {
      '@type': `${TYPE_PREFIX}.access_loggers.file.v3.FileAccessLog`,
      path: accessLogFile,
      log_format: { json_format: ACCESS_LOG_FIELDS },
    },
  };
  const endpoint = { endpoint: { address: loopback(setup.backendPort) } };
  return stringify({
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: loopback(setup.adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'inbound',
          address: loopback(setup.listenPort),
          filter_chains: [{ filters: [handshakeRelay({ access_log: [accessLog] })] }],
        },
      ],
      clusters: [
        {
          name: 'server',
          type: 'STATIC',
          connect_timeout: '5s',
          load_assignment: { cluster_name: 'server', endpoints: [{ lb_endpoints: [endpoint] }] },
        },
      ],
    },
  });
}
