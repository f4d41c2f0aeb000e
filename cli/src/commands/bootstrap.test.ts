import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { Terminal } from '../terminal.js';
import { runBootstrap, type BootstrapOptions } from './bootstrap.js';

describe('heddle bootstrap', () => {
  it('prints for Envoy where the agent is, who the workload is, and its ports', () => {
    const { code, out } = run({
      labels: ['app=web', 'note=a=b'],
      inbound: ['http:80:9001:9002'],
      outbound: ['a.default.svc.cluster.local:80=9003'],
    });
    assert.equal(code, 0);
    assert.doesNotMatch(out, /[&*]a1/, 'no aliases');
    const { node, static_resources } = parse(out) as {
      node: { metadata: Record<string, unknown>; locality: object };
      static_resources: { clusters: { name: string; load_assignment: object }[] };
    };
    assert.deepEqual(node.metadata['LABELS'], { app: 'web', note: 'a=b' });
    assert.equal(node.metadata['SERVICE_ACCOUNT'], 'web');
    assert.deepEqual(node.locality, { region: 'eu', zone: 'zone-1' });
    assert.equal(node.metadata['HEDDLE_MTLS'], 'true');
    assert.deepEqual(node.metadata['HEDDLE_EXPLICIT'], {
      bindAddress: '127.0.0.1',
      inbound: [{ name: 'http', port: 80, listen: 9001, application: 9002 }],
      outbound: { 'a.default.svc.cluster.local:80': 9003 },
      httpProxy: 0,
      gatewayPorts: {},
    });
    assert.deepEqual(
      static_resources.clusters.map(({ name }) => name),
      ['heddled', 'sds-grpc'],
    );
    for (const { load_assignment } of static_resources.clusters)
      assert.match(JSON.stringify(load_assignment), /"pipe":\{"path":"\/run\/agent"\}/);
  });

  it('prints for an Envoy that speaks HBONE what listeners inside it need, and where tunnels are taken', () => {
    const { node, bootstrap_extensions } = parse(run({ hbone: 15_008 }).out) as {
      node: { metadata: { ENABLE_HBONE?: string; HEDDLE_EXPLICIT: { hbone?: number } } };
      bootstrap_extensions?: { name: string }[];
    };
    assert.equal(node.metadata.ENABLE_HBONE, 'true');
    assert.equal(node.metadata.HEDDLE_EXPLICIT.hbone, 15_008);
    assert.deepEqual(
      bootstrap_extensions?.map(({ name }) => name),
      ['envoy.bootstrap.internal_listener'],
    );
    assert.doesNotMatch(run({}).out, /hbone|internal_listener/i);
  });

  it('prints for gRPC the socket and the files of the agent', () => {
    const { code, out } = run({ for: 'grpc', output: 'json' });
    assert.equal(code, 0);
    const { xds_servers, certificate_providers } = JSON.parse(out) as {
      xds_servers: { server_uri: string }[];
      certificate_providers: { default: { config: Record<string, string> } };
    };
    assert.equal(xds_servers[0]?.server_uri, 'unix:///run/agent');
    assert.equal(certificate_providers.default.config['private_key_file'], '/run/certs/key.pem');
  });

  it('says what it cannot read', () => {
    for (const [options, reason] of [
      [{ labels: ['app'] }, /--label app: expected NAME=VALUE/],
      [{ inbound: ['http:80'] }, /--inbound http:80: expected NAME:PORT:LISTEN:APPLICATION/],
      [{ inbound: ['http:80:0:1'] }, /--inbound 0: expected a port/],
      [{ outbound: ['a:80=x'] }, /--outbound x: expected a port/],
      [{ gatewayPorts: ['=1'] }, /--gateway-port =1/],
    ] as const) {
      const { code, out, err } = run(options);
      assert.deepEqual([code, out], [1, '']);
      assert.match(err, reason);
    }
  });
});

function run(options: Partial<BootstrapOptions>): { code: number; out: string; err: string } {
  const written = { out: '', err: '' };
  const terminal = new Terminal({
    out: { write: (text) => (written.out += text) },
    err: { write: (text) => (written.err += text) },
    noColor: true,
  });
  const code = runBootstrap({
    for: 'envoy',
    output: 'yaml',
    role: 'sidecar',
    name: 'web-0',
    namespace: 'default',
    serviceAccount: 'web',
    locality: 'eu/zone-1',
    workload: 'web',
    labels: [],
    socket: '/run/agent',
    certDir: '/run/certs',
    xdsAddress: undefined,
    variant: 'delta',
    adminPort: 15_000,
    accessLog: '/dev/stdout',
    inbound: [],
    outbound: [],
    httpProxy: 0,
    hbone: undefined,
    gatewayPorts: [],
    terminal,
    ...options,
  });
  return { code, ...written };
}
