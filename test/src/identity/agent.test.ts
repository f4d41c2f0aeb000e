import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  Client,
  Metadata,
  Server,
  ServerCredentials,
  credentials,
  status,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { envoy, sdsService, typeUrls } from '@heddle/xds-protos';
import { AdsClient, sidecarNode } from '../control-plane/ads-client.js';
import { callApi, joinToken } from '../control-plane/ca-client.js';
import {
  clusterName,
  service,
  startControlPlane,
  workloads,
  type RunningControlPlane,
} from '../control-plane/mesh-folder.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { realEnvoy } from '../support/proxy-subjects.js';
import { RunningProgram } from '../support/running-program.js';

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));
const web = 'spiffe://cluster.local/ns/default/sa/web';
const { Secret } = envoy.extensions.transport_sockets.tls.v3;

describe('heddle agent', () => {
  const base = mkdtempSync(join(tmpdir(), 'hag-'));
  const caFolder = join(base, 'ca');
  const programs: RunningProgram[] = [];
  let plane: RunningControlPlane;
  before(async () => {
    plane = await startControlPlane(
      { 'a.yaml': service('a'), 'a-run.yaml': workloads('a', ['10.0.0.1']) },
      { identity: { caFolder } },
    );
  });
  after(async () => {
    await Promise.all(programs.map((program) => program.stop()));
    await plane.close();
    rmSync(base, { recursive: true, force: true });
  });

  let agents = 0;
  const start = async (
    options: { readonly folder?: string; readonly account?: string; readonly args?: readonly string[] } = {},
  ): Promise<{ folder: string; socket: string; program: RunningProgram }> => {
    const folder = options.folder ?? join(base, String(++agents));
    mkdirSync(folder, { recursive: true });
    const tokenFile = join(folder, 'token');
    const { account = 'web' } = options;
    writeFileSync(tokenFile, (await joinToken(plane.apiPort, 'default', account)).token, { mode: 0o600 });
    const socket = join(folder, 'run', 'socket');
    const program = new RunningProgram(process.execPath, [
      ...[heddle, 'agent', '-s', account, '--socket', socket, '--name', `web-${agents}`],
      ...['--ca-address', `127.0.0.1:${plane.xdsTlsPort}`, '--ca-root-file', plane.rootsFile],
      ...['--ca-token-file', tokenFile, ...(options.args ?? [])],
    ]);
    programs.push(program);
    return { folder, socket, program };
  };
  const serves = (program: RunningProgram): Promise<void> =>
    eventually(
      () => program.output.includes('heddle agent: ') && program.output.includes('certificate issued'),
      () => program.output,
    );

  it('serves certificate and roots over SDS on a socket that is for this user alone', async () => {
    const { socket, program } = await start();
    await serves(program);
    assert.equal(statSync(socket).mode & 0o777, 0o600);
    assert.equal(statSync(join(socket, '..')).mode & 0o777, 0o700);
    const secrets = await fetchSecrets(socket, ['default', 'ROOTCA', 'kubernetes://other']);
    assert.deepEqual([...secrets.keys()], ['default', 'ROOTCA']);
    const certificate = new X509Certificate(text(secrets.get('default')?.tlsCertificate?.certificateChain));
    assert.equal(certificate.subjectAltName, `URI:${web}`);
    const key = createPrivateKey(text(secrets.get('default')?.tlsCertificate?.privateKey));
    assert.ok(certificate.checkPrivateKey(key));
    const root = new X509Certificate(text(secrets.get('ROOTCA')?.validationContext?.trustedCa));
    assert.ok(certificate.verify(root.publicKey));
  });

  it('keeps them as files that change together, for this user alone', async () => {
    const certs = join(base, 'certs');
    const { program } = await start({ args: ['--cert-dir', certs] });
    await serves(program);
    const read = (name: string): string => readFileSync(join(certs, name), 'utf8');
    // The last of the three that appears.
    await eventually(
      () => existsSync(join(certs, 'root-cert.pem')),
      () => program.output,
    );
    const first = new X509Certificate(read('cert-chain.pem'));
    assert.ok(first.checkPrivateKey(createPrivateKey(read('key.pem'))));
    assert.equal(read('root-cert.pem'), readFileSync(plane.rootsFile, 'utf8'));
    assert.equal(statSync(certs).mode & 0o777, 0o700);
    assert.equal(statSync(join(certs, 'key.pem')).mode & 0o777, 0o600);

    // A root rotation brings roots, and then a certificate.
    assert.equal((await callApi(plane.apiPort, 'POST', '/api/v1/ca/rotation/begin')).status, 200);
    await eventually(
      () => read('root-cert.pem').match(/BEGIN/g)?.length === 2,
      () => program.output,
    );
    assert.equal((await callApi(plane.apiPort, 'POST', '/api/v1/ca/rotation/switch')).status, 200);
    await eventually(
      () => new X509Certificate(read('cert-chain.pem')).serialNumber !== first.serialNumber,
      () => program.output,
    );
    assert.ok(new X509Certificate(read('cert-chain.pem')).checkPrivateKey(createPrivateKey(read('key.pem'))));
    assert.equal((await callApi(plane.apiPort, 'POST', '/api/v1/ca/rotation/finish?force=true')).status, 200);
    await eventually(
      () => read('root-cert.pem').match(/BEGIN/g)?.length === 1,
      () => program.output,
    );
    assert.deepEqual(
      readdirSync(certs).filter((name) => !name.startsWith('..')),
      ['cert-chain.pem', 'key.pem', 'root-cert.pem'],
    );
    // The older ones go once the new ones are in place.
    await eventually(
      () => readdirSync(certs).filter((name) => /^\.\.\d/.test(name)).length === 1,
      () => readdirSync(certs).join(),
    );
  });

  it('gives gRPC programs certificates by which each knows the other', async () => {
    const filesOf = async (account: string): Promise<readonly Buffer[]> => {
      const certs = join(base, `certs-of-${account}`);
      const { program } = await start({ account, args: ['--cert-dir', certs] });
      await serves(program);
      const printed = new RunningProgram(process.execPath, [
        ...[heddle, 'bootstrap', '--for', 'grpc', '-s', account, '--cert-dir', certs, '-o', 'json'],
      ]);
      assert.equal((await printed.ended()).code, 0, printed.output);
      const { config } = (
        JSON.parse(printed.output) as {
          certificate_providers: { default: { config: Record<string, string> } };
        }
      ).certificate_providers.default;
      const names = ['ca_certificate_file', 'private_key_file', 'certificate_file'];
      return names.map((name) => readFileSync(config[name] ?? ''));
    };
    const [roots = null, key = Buffer.of(), chain = Buffer.of()] = await filesOf('web');
    let caller = '';
    const server = new Server();
    server.addService(
      { Say: { ...plainCall, path: '/test.Greeter/Say' } },
      {
        Say: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
          const { raw } = call.getAuthContext().sslPeerCertificate ?? {};
          caller = new X509Certificate(raw ?? '').subjectAltName ?? '';
          answer(null, Buffer.from('hello'));
        },
      },
    );
    const own = ServerCredentials.createSsl(roots, [{ private_key: key, cert_chain: chain }], true);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', own, (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    let called = '';
    const client = new Client(
      `127.0.0.1:${port}`,
      credentials.createSsl(...((await filesOf('api')) as [Buffer, Buffer, Buffer]), {
        checkServerIdentity: (_host, { raw }) => {
          called = new X509Certificate(raw).subjectAltName ?? '';
          return undefined;
        },
      }),
      // An address is no server name of TLS, which newer Nodes insist on.
      { 'grpc.ssl_target_name_override': 'localhost' },
    );
    const { responseDeserialize, requestSerialize } = plainCall;
    const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
      const deadline = { deadline: Date.now() + 10_000 };
      client.makeUnaryRequest(
        '/test.Greeter/Say',
        requestSerialize,
        responseDeserialize,
        Buffer.of(),
        new Metadata(),
        deadline,
        (error, value) => (error ? reject(error) : resolve(value)),
      );
    });
    client.close();
    server.forceShutdown();
    assert.equal(answer?.toString(), 'hello');
    assert.equal(called, `URI:${web}`);
    assert.equal(caller, 'URI:spiffe://cluster.local/ns/default/sa/api');
  });

  for (const variant of ['sotw', 'delta'] as const) {
    it(`passes xDS on with its identity, and refuses what heddled refuses (${variant})`, async () => {
      const { socket, program } = await start();
      await serves(program);
      const client = new AdsClient(`unix:${socket}`, variant);
      client.start(nodeOf('web'));
      await client.until(() => client.has(typeUrls.clusterLoadAssignment, clusterName('a')));
      const { text: told } = await callApi(plane.apiPort, 'GET', '/api/v1/proxies');
      assert.match(
        told,
        /"identity": "spiffe:\/\/cluster\.local\/ns\/default\/sa\/web",\s+"provenBy": "certificate"/,
      );
      const foreign = new AdsClient(`unix:${socket}`, variant);
      foreign.start(nodeOf('admin'));
      const { code, details } = await foreign.ended;
      assert.equal(code, status.PERMISSION_DENIED);
      assert.match(details, /SERVICE_ACCOUNT "admin": this proxy has proven to be .*\/sa\/web/);
      for (const one of [client, foreign]) one.close();
    });
  }

  it('ends discovery streams when heddled goes, and serves secrets all the same', async () => {
    const { socket, program } = await start();
    await serves(program);
    const client = new AdsClient(`unix:${socket}`, 'delta');
    client.start(nodeOf('web'));
    await client.until(() => client.has(typeUrls.cluster, clusterName('a')));
    const { xdsTlsPort } = plane;
    await plane.close();
    // Which code it is depends on how the connection broke.
    assert.ok([status.UNAVAILABLE, status.INTERNAL].includes((await client.ended).code));
    assert.equal((await fetchSecrets(socket, ['default'])).size, 1);
    plane = await startControlPlane(
      { 'b.yaml': service('b') },
      { identity: { caFolder, tlsPort: xdsTlsPort } },
    );
    const again = new AdsClient(`unix:${socket}`, 'delta');
    again.start(nodeOf('web'));
    await again.until(() => again.has(typeUrls.cluster, clusterName('b')));
    for (const one of [client, again]) one.close();
  });

  it('does not serve where others could listen, where another agent serves, and takes over what a killed one left', async () => {
    const open = join(base, 'open');
    mkdirSync(join(open, 'run'), { recursive: true });
    chmodSync(join(open, 'run'), 0o755);
    const refused = await start({ folder: open });
    assert.equal((await refused.program.ended()).code, 1);
    assert.match(refused.program.output, /is open to other users/);

    const first = await start();
    await serves(first.program);
    const second = await start({ folder: first.folder });
    assert.equal((await second.program.ended()).code, 1);
    assert.match(second.program.output, /another agent serves there/);
    first.program.kill('SIGKILL');
    await first.program.ended();
    assert.ok(existsSync(first.socket));
    const third = await start({ folder: first.folder });
    await serves(third.program);
    assert.equal((await fetchSecrets(third.socket, ['default'])).size, 1);
    await third.program.stop();
    assert.equal(existsSync(third.socket), false);
  });

  const subject = realEnvoy();
  it(
    'gives a real Envoy its certificates and its configuration',
    { skip: subject.missing ?? false },
    async () => {
      const { socket, program, folder } = await start();
      await serves(program);
      const adminPort = await freePort();
      const listenPort = await freePort();
      const printed = new RunningProgram(process.execPath, [
        ...[heddle, 'bootstrap', '--for', 'envoy', '-s', 'web', '--name', 'web-envoy', '--socket', socket],
        ...['--admin-port', String(adminPort), '--inbound', `http:80:${listenPort}:${await freePort()}`],
        ...[
          '--outbound',
          `a.default.svc.cluster.local:80=${await freePort()}`,
          '--access-log',
          join(folder, 'access.log'),
        ],
      ]);
      assert.equal((await printed.ended()).code, 0, printed.output);
      writeFileSync(join(folder, 'envoy.yaml'), printed.output);
      const proxy = subject.start(join(folder, 'envoy.yaml'), folder);
      programs.push(proxy);
      await eventually(
        async () => (await httpCall(adminPort, '/ready')).status === 200,
        () => proxy.output,
      );
      await eventually(
        async () => (await httpCall(adminPort, '/certs')).body.includes(web),
        () => `${proxy.output}\n${program.output}`,
      );
      const certs = (await httpCall(adminPort, '/certs')).body;
      assert.match(certs, /spiffe:\/\/cluster\.local\/ns\/default\/sa\/web/);
      const { text: told } = await callApi(plane.apiPort, 'GET', '/api/v1/proxies');
      const { proxies } = JSON.parse(told) as { proxies: { id: string; types: { nack?: string }[] }[] };
      const shown = proxies.find(({ id }) => id.includes('web-envoy'));
      assert.deepEqual(
        shown?.types.flatMap(({ nack }) => nack ?? []),
        [],
      );
    },
  );
});

/** A call whose messages are bytes as they are. */
const plainCall = {
  requestStream: false,
  responseStream: false,
  requestSerialize: (bytes: Buffer): Buffer => bytes,
  requestDeserialize: (bytes: Buffer): Buffer => bytes,
  responseSerialize: (bytes: Buffer): Buffer => bytes,
  responseDeserialize: (bytes: Buffer): Buffer => bytes,
};

/** The node of a sidecar that says it runs as this service account. */
function nodeOf(serviceAccount: string): envoy.config.core.v3.INode {
  const node = sidecarNode('web-0');
  return {
    ...node,
    metadata: {
      fields: { ...node.metadata?.fields, SERVICE_ACCOUNT: { stringValue: serviceAccount } },
    },
  };
}

async function fetchSecrets(
  socket: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, envoy.extensions.transport_sockets.tls.v3.Secret>> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  const { path, requestSerialize, responseDeserialize } = sdsService.FetchSecrets;
  const response = await new Promise<envoy.service.discovery.v3.DiscoveryResponse>((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize as (message: object) => Buffer,
      responseDeserialize,
      { resourceNames: [...names], typeUrl: typeUrls.secret },
      new Metadata(),
      {},
      (error, answer) => (answer === undefined ? reject(error ?? new Error('no answer')) : resolve(answer)),
    );
  }).finally(() => client.close());
  return new Map(
    response.resources.map(({ value }) => {
      const secret = Secret.decode(value);
      return [secret.name, secret];
    }),
  );
}

function text(source: envoy.config.core.v3.DataSource | null | undefined): string {
  return Buffer.from(source?.inlineBytes ?? []).toString();
}
