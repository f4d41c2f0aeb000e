import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { BootstrapError, loadBootstrap, type BootstrapConfig } from './bootstrap.js';
import { parseCommandLine } from './bootstrap/command-line.js';
import { DEFAULT_OVERLOAD } from './overload/overload-config.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-bootstrap-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function load(text: string, ...args: string[]): Promise<BootstrapConfig> {
  const file = join(folder, 'bootstrap');
  writeFileSync(file, text);
  const parsed = parseCommandLine(['-c', file, ...args]);
  assert.equal(parsed.kind, 'run');
  return loadBootstrap((parsed as Extract<typeof parsed, { kind: 'run' }>).commandLine, { COLOUR: 'blue' });
}

/** Every problem as `line: path: message`. */
async function problemsOf(text: string): Promise<string[]> {
  try {
    await load(text);
  } catch (thrown) {
    assert.ok(thrown instanceof BootstrapError);
    return thrown.problems.map(({ line, path, message }) => `${line}: ${path}: ${message}`);
  }
  return [];
}

const CONTROL_PLANE = `
      - name: cp
        type: STATIC
        load_assignment:
          endpoints:
            - lb_endpoints:
                - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 15010 } } }
                - endpoint: { address: { socket_address: { address: 127.0.0.2, port_value: 15010 } } }`;

const MONITORS = 'type.googleapis.com/envoy.extensions.resource_monitors';

const DYNAMIC = `
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: cp } }]
  lds_config: { ads: {} }
  cds_config: { ads: {}, initial_fetch_timeout: 2.5s }
static_resources:
  clusters:${CONTROL_PLANE}
`;

describe('a bootstrap', () => {
  it('gives node, admin address, and the control plane with its fixed addresses', async () => {
    const config = await load(
      `node: { id: a, cluster: b, metadata: { HEDDLE_STATE_DIR: state } }
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 15000 } } }
${DYNAMIC}`,
      '--service-node',
      'other',
      '--service-zone',
      'z',
    );
    assert.equal(config.node.id, 'other');
    assert.equal(config.node.cluster, 'b');
    assert.equal(config.node.locality?.zone, 'z');
    assert.equal(config.node.userAgentName, 'heddle-proxy');
    assert.equal(config.stateDirectory, 'state');
    assert.deepEqual(config.adminAddress, {
      kind: 'socket',
      host: '127.0.0.1',
      port: 15_000,
      protocol: 'tcp',
    });
    assert.deepEqual(config.ads, {
      variant: 'delta',
      streams: 'aggregated',
      target: { name: 'cp', uri: 'ipv4:127.0.0.1:15010,127.0.0.2:15010', authority: 'cp', security: 'none' },
      listeners: true,
      clusters: true,
      metadata: [],
      initialFetchTimeoutMs: 15_000,
    });
    assert.equal(config.formatContext.environment?.('COLOUR'), 'blue');
    assert.ok(Object.isFrozen(config));
  });

  it('takes listeners and clusters from streams of their own, where both name one server', async () => {
    const server = (cluster: string): string =>
      `{ api_config_source: { api_type: GRPC, transport_api_version: V3, grpc_services: [{ envoy_grpc: { cluster_name: ${cluster} } }] } }`;
    const bootstrap = (forClusters: string): string => `
node: { id: a, cluster: b }
dynamic_resources: { lds_config: ${server('cp')}, cds_config: ${server(forClusters)} }
static_resources:
  clusters:${CONTROL_PLANE}
`;
    const { ads } = await load(bootstrap('cp'));
    assert.equal(ads?.streams, 'separate');
    assert.equal(ads?.variant, 'sotw');
    assert.equal(ads?.listeners && ads?.clusters, true);
    await assert.rejects(load(bootstrap('other')), /cds_config: expected the same server as for listeners/);
  });

  it('reads where connections come from, and whether DNS is answered, and names what is wrong with them', async () => {
    const bind = (address: string): string =>
      `cluster_manager: { upstream_bind_config: { source_address: { address: ${address}, port_value: 0 } } }`;
    const node = (metadata: string): string => `node: { id: a, cluster: b, metadata: { ${metadata} } }`;
    const config = await load(
      `${node("DNS_CAPTURE: 'true', HEDDLE_DNS_SERVERS: '10.0.0.2,tcp://10.0.0.3:5353'")}\n${bind('10.0.0.9')}`,
    );
    const source = (host: string): object => ({ kind: 'socket', host, port: 0, protocol: 'tcp' });
    assert.deepEqual(config.upstreamBind, { bindAddress: source('10.0.0.9') });
    const both = (extra: string): string =>
      `cluster_manager: { upstream_bind_config: { source_address: { address: 10.0.0.9, port_value: 0 }, extra_source_addresses: [{ address: { address: "${extra}", port_value: 0 } }] } }`;
    assert.deepEqual((await load(both('fd00::9'))).upstreamBind, {
      bindAddress: source('10.0.0.9'),
      extraBindAddresses: [source('fd00::9')],
    });
    await assert.rejects(
      load(both('host')),
      /extra_source_addresses\[0\]\.address\.address: expected an IP address/,
    );
    assert.deepEqual(config.dns, {
      port: 15_053,
      servers: [
        { host: '10.0.0.2', port: 53, protocol: 'udp' },
        { host: '10.0.0.3', port: 5353, protocol: 'tcp' },
      ],
      isAuthority: false,
    });
    const alone = await load(node("DNS_CAPTURE: 'true', HEDDLE_DNS_AUTHORITY: 'true'"));
    assert.equal(alone.dns?.isAuthority, true);
    assert.equal((await load(node('A: b'))).dns, undefined);
    await assert.rejects(
      load(
        `${node("DNS_CAPTURE: 'true', HEDDLE_DNS_PORT: '0x1', HEDDLE_DNS_SERVERS: dns.example")}\n${bind('host')}`,
      ),
      /(?=[^]*upstream_bind_config\.source_address)(?=[^]*HEDDLE_DNS_PORT)(?=[^]*HEDDLE_DNS_SERVERS)/,
    );
  });

  it('says what is shed when something runs short', async () => {
    assert.equal((await load('{}')).overload, DEFAULT_OVERLOAD);
    const { overload, warnings } = await load(`
overload_manager:
  refresh_interval: 0.25s
  resource_monitors:
    - { name: heap, typed_config: { "@type": ${MONITORS}.fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: 1000 } }
    - { name: conns, typed_config: { "@type": ${MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig, max_active_downstream_connections: 7 } }
  actions:
    - { name: envoy.overload_actions.stop_accepting_requests, triggers: [{ name: heap, threshold: { value: 0.9 } }, { name: heap, scaled: { scaling_threshold: 0.5, saturation_threshold: 1 } }] }
    - { name: envoy.overload_actions.shrink_heap, triggers: [{ name: heap, threshold: { value: 0.8 } }] }
    - { name: envoy.overload_actions.reduce_timeouts, triggers: [{ name: heap, threshold: { value: 0.8 } }] }
`);
    assert.deepEqual(overload, {
      refreshIntervalMs: 250,
      maxConnections: 7,
      monitors: [{ kind: 'fixed-heap', name: 'heap', maxBytes: 1000 }],
      actions: [
        {
          action: 'stop-accepting-requests',
          name: 'envoy.overload_actions.stop_accepting_requests',
          triggers: [
            { kind: 'threshold', monitor: 'heap', value: 0.9 },
            { kind: 'scaled', monitor: 'heap', from: 0.5, to: 1 },
          ],
        },
      ],
    });
    assert.deepEqual(warnings, [
      'overload_manager.actions[2] (envoy.overload_actions.reduce_timeouts): is not supported and has no effect',
    ]);
  });

  it('names everything that is wrong with what is shed', async () => {
    const problems = await problemsOf(`overload_manager:
  refresh_interval: 0s
  resource_monitors:
    - { name: heap, typed_config: { "@type": ${MONITORS}.fixed_heap.v3.FixedHeapConfig } }
    - { name: heap, typed_config: { "@type": ${MONITORS}.injected_resource.v3.InjectedResourceConfig } }
  actions:
    - { name: envoy.overload_actions.stop_accepting_requests }
    - { name: envoy.overload_actions.disable_http_keepalive, triggers: [{ name: none, threshold: { value: 2 } }, { name: heap }] }
    - { name: envoy.overload_actions.stop_accepting_connections, triggers: [{ name: heap, scaled: { scaling_threshold: 1, saturation_threshold: 0.5 } }] }
`);
    assert.deepEqual(
      problems.map((problem) => problem.replace('overload_manager.', '')),
      [
        '2: refresh_interval: must be at least 10 ms',
        '4: resource_monitors[0].typed_config.max_heap_size_bytes: must be more than zero',
        '5: resource_monitors[1].name: a second monitor is named "heap"',
        '5: resource_monitors[1].typed_config.filename: must be set',
        '7: actions[0].triggers: must have at least one entry',
        '8: actions[1].triggers[0].name: there is no monitor "none"',
        '8: actions[1].triggers[0].threshold.value: must be in 0..1 (is 2)',
        '8: actions[1].triggers[1]: one of threshold or scaled must be set',
        '9: actions[2].triggers[0].scaled: scaling_threshold must be below saturation_threshold',
      ],
    );
  });

  it('reaches its control plane over TLS by its own identity, and by nothing else', async () => {
    const sds = (name: string): object => ({ name, sds_config: { ads: {}, resource_api_version: 'V3' } });
    const withTls = (certificate: string, roots: string): object => ({
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
        common_tls_context: {
          tls_certificate_sds_secret_configs: [sds(certificate)],
          validation_context_sds_secret_config: sds(roots),
        },
      },
    });
    const securityOf = async (socket: object, ...more: readonly string[]): Promise<string> => {
      const bootstrap = JSON.stringify({
        node: { id: 'n', metadata: { NAMESPACE: 'shop', SERVICE_ACCOUNT: 'web' } },
        dynamic_resources: {
          ads_config: {
            api_type: 'GRPC',
            transport_api_version: 'V3',
            grpc_services: [{ envoy_grpc: { cluster_name: 'cp' } }],
          },
        },
        static_resources: {
          clusters: [
            {
              name: 'cp',
              type: 'STATIC',
              transport_socket: socket,
              load_assignment: {
                endpoints: [
                  {
                    lb_endpoints: [
                      {
                        endpoint: {
                          address: { socket_address: { address: '127.0.0.1', port_value: 15012 } },
                        },
                      },
                    ],
                  },
                ],
              },
            },
          ],
        },
      });
      try {
        const config = await load(bootstrap, ...more);
        return config.ads?.target.security ?? '';
      } catch (error) {
        return String(error);
      }
    };
    const identity = ['--ca-address', '127.0.0.1:15012', '--ca-root-file', 'roots.pem'];
    assert.equal(await securityOf(withTls('default', 'ROOTCA'), ...identity), 'identity');
    assert.match(await securityOf(withTls('default', 'ROOTCA')), /--ca-address\) is missing/);
    assert.match(await securityOf(withTls('other', 'ROOTCA'), ...identity), /from the secret default/);
    assert.match(await securityOf(withTls('default', 'other'), ...identity), /its roots from ROOTCA/);
  });

  it('is the same in YAML and in JSON, and takes google_grpc', async () => {
    const config = await load(
      JSON.stringify({
        dynamicResources: {
          adsConfig: {
            apiType: 'GRPC',
            transportApiVersion: 'V3',
            grpcServices: [
              {
                googleGrpc: { targetUri: 'dns:///cp.example:15010', statPrefix: 'x' },
                initialMetadata: [{ key: 'X-A', value: 'b' }],
              },
            ],
          },
          cdsConfig: { ads: {} },
        },
      }),
    );
    assert.equal(config.ads?.variant, 'sotw');
    assert.equal(config.ads?.target.uri, 'dns:///cp.example:15010');
    assert.deepEqual(config.ads?.metadata, [['x-a', 'b']]);
    assert.equal(config.ads?.listeners, false);
  });

  it('is merged with --config-yaml as protobuf merges', async () => {
    const config = await load('node: { id: a, cluster: b }', '--config-yaml', 'node: { id: c }');
    assert.equal(config.node.id, 'c');
    assert.equal(config.node.cluster, 'b');
  });

  it('names every problem with its line', async () => {
    const found = await problemsOf(`node: { idd: a }
admin:
  address: { socket_address: { address: 127.0.0.1, port_value: 70000 } }
static_resources:
  secrets: [{ name: s }]
  listeners:
    - name: main
      address: { socket_address: { address: 127.0.0.1, port_value: 1 } }
      filter_chains:
        - filters:
            - name: tcp
              typed_config:
                '@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: tcp
                cluster: a
                idle_timeout: soon
  clusters:
    - name: a
      type: STATICK
    - name: a
      type: STATIC
`);
    const expected: readonly RegExp[] = [
      /^1: node\.idd: unknown field .*did you mean id/,
      /^3: admin\.address\.socket_address\.port_value: expected 0 to 65535, found 70000$/,
      /^5: static_resources\.secrets\[0\]: one of tls_certificate/,
      /^16: static_resources\.listeners\[0\]\.filter_chains\[0\]\.filters\[0\]\.typed_config\.idle_timeout: expected a duration/,
      /^19: static_resources\.clusters\[0\]\.type: .*did you mean STATIC/,
      /^20: static_resources\.clusters\[1\]\.name: a second cluster/,
    ];
    assert.equal(found.length, expected.length, found.join('\n'));
    for (const [i, pattern] of expected.entries()) assert.match(found[i] as string, pattern);
  });

  it('finds lines in JSON too', async () => {
    assert.deepEqual(await problemsOf('{\n "node": {\n  "id": 7\n }\n}'), [
      '3: node.id: expected a string, found the number 7',
    ]);
  });

  it('says where its syntax is broken', async () => {
    const [first] = await problemsOf('node:\n  id: [a\nadmin: {}\n');
    assert.match(first ?? '', /^\d: : /);
  });

  it('refuses aliases that unfold without end', async () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 0; i < 9; i++) {
      const from = String.fromCharCode(97 + i);
      const to = String.fromCharCode(98 + i);
      lines.push(`${to}: &${to} [${Array.from({ length: 10 }, () => `*${from}`).join(', ')}]`);
    }
    assert.match((await problemsOf(lines.join('\n'))).join(), /alias/i);
  });

  const wrongControlPlanes: readonly (readonly [what: string, change: readonly [string, string], RegExp])[] =
    [
      [
        'an api_type that is not gRPC',
        ['DELTA_GRPC', 'REST'],
        /ads_config\.api_type: expected GRPC or DELTA_GRPC, found REST/,
      ],
      [
        'an old version of the protocol',
        ['version: V3', 'version: V2'],
        /transport_api_version: expected V3/,
      ],
      [
        'a cluster that is not there',
        ['cluster_name: cp', 'cluster_name: pc'],
        /cluster "pc" is not among static_resources/,
      ],
      [
        'listeners from a file',
        ['lds_config: { ads: {} }', 'lds_config: { path: /x }'],
        /lds_config: expected "ads: \{\}", found path/,
      ],
      [
        'a cluster without fixed addresses',
        ['type: STATIC', 'type: ORIGINAL_DST\n        lb_policy: CLUSTER_PROVIDED'],
        /has no fixed addresses|has problems of its own/,
      ],
      [
        'no service',
        ['grpc_services: [{ envoy_grpc: { cluster_name: cp } }]', 'grpc_services: []'],
        /expected one gRPC service, found none/,
      ],
    ];
  for (const [what, [from, to], pattern] of wrongControlPlanes) {
    it(`refuses ${what}`, async () => {
      assert.ok(DYNAMIC.includes(from));
      assert.match((await problemsOf(DYNAMIC.replace(from, to))).join('\n'), pattern);
    });
  }

  it('refuses references to xDS without a control plane', async () => {
    const found = await problemsOf(`static_resources:
  clusters:
    - { name: a, type: EDS, eds_cluster_config: { eds_config: { ads: {} } } }
`);
    assert.match(found.join(), /cluster "a" gets its endpoints by EDS, but .* names no control plane/);
  });

  it('accepts what has no effect here, and says so', async () => {
    const config = await load(`layered_runtime: { layers: [{ name: a, static_layer: { x: 1 } }] }
stats_config: { use_all_default_tags: true }
stats_sinks: [{ name: x }]
`);
    assert.deepEqual(config.warnings, ['stats_sinks: is not supported and has no effect']);
  });

  it('resolves a name to a DNS target, and a pipe to a Unix socket', async () => {
    const dns = DYNAMIC.replace('type: STATIC', 'type: STRICT_DNS').replaceAll('127.0.0.1', 'cp.example');
    assert.equal((await load(dns)).ads?.target.uri, 'dns:///cp.example:15010');
    const pipe = DYNAMIC.replace(
      '{ socket_address: { address: 127.0.0.1, port_value: 15010 } }',
      '{ pipe: { path: /run/cp } }',
    );
    assert.equal((await load(pipe)).ads?.target.uri, 'unix:/run/cp');
  });
});
