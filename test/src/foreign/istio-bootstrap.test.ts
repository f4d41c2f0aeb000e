import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { heddleProxy } from '../support/proxy-subjects.js';

const TYPE = 'type.googleapis.com';

describe('a bootstrap as Istio writes it', () => {
  it('is accepted, with warnings about what has no effect', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-istio-'));
    const file = join(folder, 'bootstrap.json');
    await writeFile(file, JSON.stringify(istioBootstrap()));
    const program = heddleProxy().validate(file);
    assert.deepEqual(await program.ended(), { code: 0, signal: null }, program.output);
    for (const part of ['tracing', 'stats_config.stats_tags']) {
      assert.match(program.output, new RegExp(`warning: ${part.replaceAll('.', '\\.')}`), part);
    }
    await rm(folder, { recursive: true, force: true });
  });
});

/** The parts that Istio's agent puts into the bootstrap of a sidecar, in its form. */
function istioBootstrap(): object {
  const pipe = (path: string): object => ({ pipe: { path } });
  const at = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const cluster = (name: string, address: object, http2 = true): object => ({
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    ...(http2
      ? {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': `${TYPE}/envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        }
      : {}),
  });
  const manager = {
    '@type': `${TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    codec_type: 'AUTO',
    stat_prefix: 'stats',
    route_config: {
      virtual_hosts: [
        {
          name: 'backend',
          domains: ['*'],
          routes: [{ match: { prefix: '/stats/prometheus' }, route: { cluster: 'prometheus_stats' } }],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.compressor',
        typed_config: {
          '@type': `${TYPE}/envoy.extensions.filters.http.compressor.v3.Compressor`,
          compressor_library: {
            name: 'for_response',
            typed_config: {
              '@type': `${TYPE}/envoy.extensions.compression.brotli.compressor.v3.Brotli`,
              quality: 1,
            },
          },
        },
      },
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${TYPE}/envoy.extensions.filters.http.router.v3.Router` },
      },
    ],
  };
  return {
    application_log_config: { log_format: { text_format: '%v' } },
    node: {
      id: 'sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local',
      cluster: 'web.shop',
      locality: {},
      metadata: {
        ISTIO_VERSION: '1.31.0',
        NAMESPACE: 'shop',
        SERVICE_ACCOUNT: 'web',
        CLUSTER_ID: 'Kubernetes',
      },
    },
    layered_runtime: {
      layers: [
        { name: 'global config', static_layer: { 're2.max_program_size.error_level': '32768' } },
        { name: 'admin', admin_layer: {} },
      ],
    },
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typed_config: {
          '@type': `${TYPE}/envoy.extensions.bootstrap.internal_listener.v3.InternalListener`,
        },
      },
    ],
    stats_config: {
      use_all_default_tags: false,
      stats_tags: [
        { tag_name: 'cluster_name', regex: '^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)' },
      ],
      stats_matcher: { inclusion_list: { patterns: [{ prefix: 'reporter=' }] } },
    },
    admin: { address: at(15_000) },
    dynamic_resources: {
      lds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
      cds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
      ads_config: {
        api_type: 'GRPC',
        set_node_on_first_message_only: true,
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
    },
    static_resources: {
      clusters: [
        cluster('prometheus_stats', at(15_000), false),
        cluster('agent', at(15_020), false),
        cluster('sds-grpc', pipe('./var/run/secrets/workload-spiffe-uds/socket')),
        cluster('xds-grpc', pipe('./etc/istio/proxy/XDS')),
        cluster('zipkin', at(9411), false),
      ],
      listeners: [
        {
          address: { socket_address: { protocol: 'TCP', address: '0.0.0.0', port_value: 15_090 } },
          ignore_global_conn_limit: true,
          filter_chains: [
            { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
          ],
        },
      ],
    },
    tracing: {
      http: {
        name: 'envoy.tracers.zipkin',
        typed_config: {
          '@type': `${TYPE}/envoy.config.trace.v3.ZipkinConfig`,
          collector_cluster: 'zipkin',
          collector_endpoint: '/api/v2/spans',
        },
      },
    },
    cluster_manager: { outlier_detection: { event_log_path: '/dev/stdout' } },
  };
}
