import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLogger } from '@heddle/common';
import { envoy, fromJson, packAny, typeUrls, type PackedAny, type ProtoProblem } from '@heddle/xds-protos';
import { loadBootstrap } from '../bootstrap.js';
import { parseCommandLine } from '../bootstrap/command-line.js';
import { Server } from '../server.js';
import { eventually } from '../testing/proxy-under-test.js';
import {
  askOverTls,
  forgeRoot,
  forgeWorkload,
  identity,
  materialOf,
  type ForgedCertificate,
} from '../testing/tls-under-test.js';
import { FakeAdsServer, type FakeAdsStream } from '../xds/fake-ads-server.test-support.js';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const FILTERS = 'type.googleapis.com/envoy.extensions.filters';
const folder = mkdtempSync(join(tmpdir(), 'heddle-tls-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const root = forgeRoot('root');
const client = forgeWorkload('client', root);

describe('TLS of a proxy', () => {
  const servers: Server[] = [];
  const fakes: FakeAdsServer[] = [];
  let lines: string[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
    for (const fake of fakes.splice(0)) fake.stop();
    lines = [];
  });

  async function start(bootstrap: object): Promise<Server> {
    const file = join(folder, 'bootstrap.json');
    writeFileSync(file, JSON.stringify({ admin: { address: address(0) }, node: { id: 'me' }, ...bootstrap }));
    const parsed = parseCommandLine(['-c', file]);
    const config = await loadBootstrap((parsed as Extract<typeof parsed, { kind: 'run' }>).commandLine);
    const log = createLogger({ component: 'test', sink: { write: (line) => lines.push(line) } });
    const server = new Server({ config, log });
    servers.push(server);
    await server.start();
    return server;
  }

  async function fake(address?: string): Promise<FakeAdsServer> {
    const made = await FakeAdsServer.start(0, address);
    fakes.push(made);
    return made;
  }

  const ask = (server: Server) =>
    askOverTls(portOf(server), { ca: root.certificatePem, ...materialOf(client) });

  it('serves by certificates that stand in the bootstrap, inline and as secrets, and shows no key of them', async () => {
    const own = forgeWorkload('server', root);
    const secret = forgeWorkload('secret', root);
    const server = await start({
      static_resources: {
        listeners: [
          listener({ tls_certificates: [inline(own)], validation_context: trust() }),
          {
            ...listener({
              tls_certificate_sds_secret_configs: [{ name: 'mine' }],
              validation_context_sds_secret_config: { name: 'roots' },
            }),
            name: 'second',
          },
        ],
        secrets: [
          { name: 'mine', tls_certificate: inline(secret) },
          { name: 'roots', validation_context: trust() },
        ],
      },
    });
    await server.ready;
    assert.match((await ask(server)).peerUri, /sa\/server$/);
    assert.match(
      (await askOverTls(portOf(server, 'second'), { ca: root.certificatePem, ...materialOf(client) }))
        .peerUri,
      /sa\/secret$/,
    );
    for (const path of [
      '/config_dump',
      '/config_dump?include_eds',
      '/config_dump?resource=static_secrets',
      '/certs',
    ]) {
      const text = await admin(server, path);
      assert.doesNotMatch(text, /PRIVATE/);
      for (const { keyPem } of [own, secret]) {
        assert.equal(text.includes(keyPem.split('\n')[1] as string), false, path);
        assert.equal(text.includes(Buffer.from(keyPem).toString('base64').slice(60, 120)), false, path);
      }
    }
    assert.match(await admin(server, '/config_dump?resource=static_secrets'), /"mine"[^]*"W3JlZGFjdGVkXQ=="/);
    const certs = JSON.parse(await admin(server, '/certs')) as {
      certificates: {
        cert_chain: { subject_alt_names: object[]; days_until_expiration: string }[];
        ca_cert: object[];
      }[];
    };
    assert.equal(certs.certificates.length, 2);
    assert.deepEqual(certs.certificates[0]?.cert_chain[0]?.subject_alt_names, [{ uri: identity('server') }]);
    assert.equal(certs.certificates[0]?.ca_cert.length, 1);
  });

  it('takes the certificate of a file anew when it is replaced, for new connections alone', async () => {
    const files = { chain: join(folder, 'a.crt'), key: join(folder, 'a.key') };
    const put = (certificate: ForgedCertificate): void => {
      for (const [file, text] of [
        [files.key, certificate.keyPem],
        [files.chain, certificate.certificatePem],
      ] as const) {
        writeFileSync(`${file}.new`, text);
        renameSync(`${file}.new`, file);
      }
    };
    put(forgeWorkload('first', root));
    const server = await start({
      static_resources: {
        listeners: [
          listener({
            tls_certificates: [
              { certificate_chain: { filename: files.chain }, private_key: { filename: files.key } },
            ],
            validation_context: trust(),
          }),
        ],
      },
    });
    await server.ready;
    assert.match((await ask(server)).peerUri, /sa\/first$/);
    put(forgeWorkload('second', root));
    for (;;) {
      const { peerUri, text } = await ask(server);
      assert.match(text, /hello/);
      if (/sa\/second$/.test(peerUri)) break;
    }
    // Half of a change is none.
    writeFileSync(files.key, forgeWorkload('third', root).keyPem);
    await eventually(() => lines.some((line) => /not the one of the certificate/.test(line)));
    assert.match((await ask(server)).peerUri, /sa\/second$/);
    assert.doesNotMatch(lines.join(''), /PRIVATE/);
  });

  it('gets its certificate from an agent over a Unix socket, as Istio proxies do', async () => {
    const path = join(folder, 'sds.sock');
    const agent = await fake(`unix:${path}`);
    const server = await start({
      static_resources: {
        listeners: [listener(byAgent())],
        clusters: [
          {
            name: 'sds-grpc',
            type: 'STATIC',
            typed_extension_protocol_options: {
              'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
                '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
                explicit_http_config: { http2_protocol_options: {} },
              },
            },
            load_assignment: {
              cluster_name: 'sds-grpc',
              endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }],
            },
          },
        ],
      },
    });
    const stream = await agent.nextStream();
    const asked = await subscribed(stream, ['ROOTCA', 'default']);
    assert.equal(asked.node?.id, 'me');
    assert.equal(server.state, 'INITIALIZING');
    assert.match(await admin(server, '/config_dump?resource=dynamic_warming_secrets'), /"name": "default"/);
    const send = (version: string, ...secrets: object[]): void =>
      stream.sendSotw({
        versionInfo: version,
        typeUrl: typeUrls.secret,
        nonce: version,
        resources: secrets.map(secretAny),
      });
    const first = forgeWorkload('first', root);
    send(
      '1',
      { name: 'default', tls_certificate: inline(first) },
      { name: 'ROOTCA', validation_context: trust() },
    );
    await server.ready;
    assert.equal((await stream.nextSotw()).versionInfo, '1');
    assert.match((await ask(server)).peerUri, /sa\/first$/);
    assert.match(await admin(server, '/config_dump?resource=dynamic_active_secrets'), /"name": "default"/);

    send('2', {
      name: 'default',
      tls_certificate: { ...inline(first), private_key: { inline_string: client.keyPem } },
    });
    const refused = await stream.nextSotw();
    assert.match(refused.errorDetail?.message ?? '', /the private key is not the one of the certificate/);
    assert.match((await ask(server)).peerUri, /sa\/first$/);

    send('3', { name: 'default', tls_certificate: inline(forgeWorkload('second', root)) });
    assert.equal((await stream.nextSotw()).versionInfo, '3');
    assert.match((await ask(server)).peerUri, /sa\/second$/);
    for (const text of [
      lines.join(''),
      refused.errorDetail?.message ?? '',
      await admin(server, '/config_dump'),
    ]) {
      assert.doesNotMatch(text, /PRIVATE KEY/);
    }

    // What it has stays while the agent is away, and it comes back by itself.
    stream.end();
    const again = await agent.nextStream();
    await subscribed(again, ['ROOTCA', 'default']);
    assert.match((await ask(server)).peerUri, /sa\/second$/);
  });

  it('gets the certificates of a gateway from the control plane, and waits for them', async () => {
    const control = await fake();
    const server = await start({
      dynamic_resources: {
        lds_config: { ads: {} },
        ads_config: {
          api_type: 'GRPC',
          transport_api_version: 'V3',
          grpc_services: [{ google_grpc: { target_uri: `127.0.0.1:${control.port}`, stat_prefix: 'x' } }],
        },
      },
    });
    const stream = await control.nextStream();
    await next(stream, typeUrls.listener);
    const gateway = listener({
      tls_certificate_sds_secret_configs: [{ name: 'kubernetes://shop', sds_config: { ads: {} } }],
    });
    stream.sendSotw({
      versionInfo: '1',
      typeUrl: typeUrls.listener,
      nonce: '1',
      resources: [any('envoy.config.listener.v3.Listener', gateway)],
    });
    assert.deepEqual((await next(stream, typeUrls.secret)).resourceNames, ['kubernetes://shop']);
    assert.notEqual(server.state, 'LIVE');
    stream.sendSotw({
      versionInfo: '1',
      typeUrl: typeUrls.secret,
      nonce: 's1',
      resources: [
        secretAny({ name: 'kubernetes://shop', tls_certificate: inline(forgeWorkload('shop', root)) }),
      ],
    });
    await server.ready;
    assert.match((await ask(server)).text, /hello/);
    // Another certificate while a connection is open: nobody notices but who comes anew.
    const open = connect(portOf(server), '127.0.0.1');
    stream.sendSotw({
      versionInfo: '2',
      typeUrl: typeUrls.secret,
      nonce: 's2',
      resources: [
        secretAny({ name: 'kubernetes://shop', tls_certificate: inline(forgeWorkload('renewed', root)) }),
      ],
    });
    for (;;) if (/sa\/renewed$/.test((await ask(server)).peerUri)) break;
    assert.equal(open.destroyed, false);
    open.destroy();
    const active = await admin(server, '/config_dump?resource=dynamic_active_secrets');
    assert.match(active, /kubernetes:\/\/shop/);
    assert.doesNotMatch(active, /PRIVATE/);
  });

  it('is not loaded where nothing asks for it', () => {
    const program = `
      const loaded = () => process.moduleLoadList.filter((name) => /^NativeModule (_tls_wrap|tls|https|http2)$/.test(name));
      // Newer Nodes load some of them for whoever imports HTTP.
      await import('node:http');
      const byNode = new Set(loaded());
      const { loadBootstrap } = await import(${JSON.stringify(modulePath('bootstrap.js'))});
      const { parseCommandLine } = await import(${JSON.stringify(modulePath('bootstrap/command-line.js'))});
      const { Server } = await import(${JSON.stringify(modulePath('server.js'))});
      const { silentLogger } = await import('@heddle/common');
      const config = await loadBootstrap(parseCommandLine(['-c', process.argv[1]]).commandLine);
      const server = new Server({ config, log: silentLogger });
      await server.start();
      await server.ready;
      console.log(loaded().filter((name) => !byNode.has(name)).join());
      await server.close();`;
    const file = join(folder, 'plain.json');
    const plain = { ...listener({}), filter_chains: [{ filters: [manager] }] };
    writeFileSync(file, JSON.stringify({ static_resources: { listeners: [plain] } }));
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', program, file], {
      encoding: 'utf8',
      cwd: fileURLToPath(new URL('.', import.meta.url)),
    });
    assert.equal(run.stderr, '');
    assert.equal(run.stdout.trim(), '');
  });
});

const manager = {
  name: 'envoy.filters.network.http_connection_manager',
  typed_config: {
    '@type': `${FILTERS}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'in',
    route_config: {
      name: 'routes',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'hello' } } },
          ],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${FILTERS}.http.router.v3.Router` },
      },
    ],
  },
};

function address(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

/** A listener that answers by itself. */
function listener(common: object): { readonly name: string } {
  return {
    name: 'main',
    address: address(0),
    filter_chains: [
      {
        filters: [manager],
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: { '@type': `${TLS}.DownstreamTlsContext`, common_tls_context: common },
        },
      },
    ],
  } as { readonly name: string };
}

function byAgent(): object {
  const secret = (name: string): object => ({
    name,
    sds_config: {
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
      initial_fetch_timeout: '0s',
      resource_api_version: 'V3',
    },
  });
  return {
    tls_certificate_sds_secret_configs: [secret('default')],
    validation_context_sds_secret_config: secret('ROOTCA'),
  };
}

function inline({ certificatePem, keyPem }: ForgedCertificate): object {
  return {
    certificate_chain: { inline_string: certificatePem },
    private_key: { inline_bytes: Buffer.from(keyPem).toString('base64') },
  };
}

function trust(): object {
  return { trusted_ca: { inline_string: root.certificatePem } };
}

function any(
  type: 'envoy.config.listener.v3.Listener' | 'envoy.extensions.transport_sockets.tls.v3.Secret',
  json: object,
): PackedAny {
  const problems: ProtoProblem[] = [];
  const message = fromJson(type, json, problems) as object;
  assert.deepEqual(problems, []);
  return type === 'envoy.config.listener.v3.Listener'
    ? packAny(envoy.config.listener.v3.Listener, message)
    : packAny(envoy.extensions.transport_sockets.tls.v3.Secret, message);
}

function secretAny(json: object): PackedAny {
  return any('envoy.extensions.transport_sockets.tls.v3.Secret', json);
}

/** The next request of a type. */
async function next(stream: FakeAdsStream, typeUrl: string) {
  for (;;) {
    const found = await stream.nextSotw();
    if (found.typeUrl === typeUrl) return found;
  }
}

/** Reads requests until these names are subscribed; the first of them. */
async function subscribed(stream: FakeAdsStream, names: readonly string[]) {
  const first = await stream.nextSotw();
  let found = first;
  while ([...found.resourceNames].sort().join() !== [...names].sort().join()) found = await stream.nextSotw();
  return first;
}

function portOf(server: Server, name = 'main'): number {
  const found = server.summary().listeners.find((line) => line.startsWith(`${name} `));
  return Number(found?.split(':').at(-1));
}

function admin(server: Server, path: string): Promise<string> {
  const where = server.adminAddress;
  assert.ok(where?.kind === 'socket');
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port: where.port, path, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve(body));
    });
    asking.on('error', reject);
    asking.end();
  });
}

function modulePath(file: string): string {
  return new URL(`../${file}`, import.meta.url).href;
}
