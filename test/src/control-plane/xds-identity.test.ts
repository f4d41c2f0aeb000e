import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Metadata, status } from '@grpc/grpc-js';
import { requireSpiffeId } from '@heddle/certs';
import { createCertificateRequest, generateWorkloadKeyPair } from '@heddle/certs/workload';
import { forgeCertificate } from '@heddle/certs/testing';
import { systemClock } from '@heddle/common';
import { typeUrls, type envoy } from '@heddle/xds-protos';
import { AdsClient } from './ads-client.js';
import { callApi, createCertificate, joinToken, proofFor, type Proof } from './ca-client.js';
import {
  clusterName,
  service,
  startControlPlane,
  workload,
  workloads,
  type RunningControlPlane,
} from './mesh-folder.js';

const mesh = {
  'a.yaml': service('a'),
  'a-run.yaml': workloads('a', ['10.0.0.1']),
  'web.yaml': workload('web'),
};

describe('xDS for proxies with an identity', () => {
  let plane: RunningControlPlane;
  let token = '';
  const opened: AdsClient[] = [];
  before(async () => {
    plane = await startControlPlane(mesh, { identity: {} });
    ({ token } = await joinToken(plane.apiPort, 'default', 'web'));
  });
  after(async () => {
    for (const client of opened) client.close();
    await plane.close();
  });
  const connect = (proof: Proof, port: 'tls' | 'plaintext' = 'tls', of = plane): AdsClient => {
    const { credentials, metadata } = proofFor(of, proof);
    const client =
      port === 'tls'
        ? new AdsClient(of.xdsTlsPort, 'delta', { credentials, metadata })
        : new AdsClient(of.xdsPort, 'delta', { metadata });
    opened.push(client);
    return client;
  };
  const certificateOf = async (
    serviceAccount: string,
    ttlSeconds = 0,
  ): Promise<Required<Proof>['certificate']> => {
    const keyPair = generateWorkloadKeyPair();
    const csr = createCertificateRequest(keyPair, requireSpiffeId('spiffe://cluster.local/ns/x/sa/x'));
    const { token: own } = await joinToken(plane.apiPort, 'default', serviceAccount);
    const [cert = ''] = await createCertificate(plane, csr, { token: own }, ttlSeconds);
    return { key: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, cert };
  };
  const isServed = (client: AdsClient): Promise<void> =>
    client.until(() => client.has(typeUrls.cluster, clusterName('a')));
  const refusal = async (client: AdsClient): Promise<{ code: status; details: string }> => {
    const { code, details } = await client.ended;
    assert.equal(client.answers.length, 0, 'nothing was served');
    return { code, details };
  };

  it('serves a proxy that brings its token, over TLS and in plain text on loopback', async () => {
    for (const port of ['tls', 'plaintext'] as const) {
      const client = connect({ token }, port);
      client.start(nodeOf({}));
      await isServed(client);
    }
  });

  it('serves a proxy that brings its certificate, and tells who it is', async () => {
    const client = connect({ certificate: await certificateOf('web') });
    client.start(nodeOf({ name: 'certified' }));
    await isServed(client);
    const { text } = await callApi(plane.apiPort, 'GET', '/api/v1/proxies');
    const { proxies } = JSON.parse(text) as {
      proxies: { id: string; identity?: string; provenBy?: string }[];
    };
    const proxy = proxies.find(({ id }) => id.includes('certified'));
    assert.equal(proxy?.identity, 'spiffe://cluster.local/ns/default/sa/web');
    assert.equal(proxy?.provenBy, 'certificate');
  });

  it('refuses who proves nothing, before it looks at a request', async () => {
    for (const port of ['tls', 'plaintext'] as const) {
      for (const proof of [{}, { token: `${token}x` }]) {
        const client = connect(proof, port);
        client.start(nodeOf({}));
        assert.equal((await refusal(client)).code, status.UNAUTHENTICATED);
      }
    }
  });

  it('refuses a node of another namespace, service account or workload, and says what differs', async () => {
    const cases: readonly (readonly [Parameters<typeof nodeOf>[0], RegExp])[] = [
      [{ namespace: 'kube-system' }, /namespace "kube-system": .* proven to be spiffe/],
      [{ serviceAccount: 'root' }, /SERVICE_ACCOUNT "root"/],
      [{ labels: { app: 'a' } }, /LABELS .*no workload of the service account default\/web/],
      [{ labels: { app: 'web', istio: 'ingressgateway' }, role: 'router' }, /LABELS/],
    ];
    for (const [node, reason] of cases) {
      const client = connect({ token });
      client.start(nodeOf(node));
      const { code, details } = await refusal(client);
      assert.equal(code, status.PERMISSION_DENIED, details);
      assert.match(details, reason);
    }
  });

  it('ends a stream whose token is revoked, and takes that token no more', async () => {
    const revoked = await joinToken(plane.apiPort, 'default', 'web');
    const client = connect({ token: revoked.token });
    client.start(nodeOf({}));
    await isServed(client);
    await callApi(plane.apiPort, 'DELETE', `/api/v1/ca/tokens/${revoked.id}`);
    assert.equal((await client.ended).code, status.UNAUTHENTICATED);
    const again = connect({ token: revoked.token });
    again.start(nodeOf({}));
    assert.match((await refusal(again)).details, /revoked/);
  });

  it('ends a stream when its proof has expired, and serves the next one that brings a new proof', async () => {
    const timers: (() => void)[] = [];
    // Only the end of the proof is a wait of more than a minute here.
    const clock = {
      ...systemClock,
      setTimer: (delayMs: number, callback: () => void) => {
        if (delayMs > 60_000 && delayMs <= 120_000) timers.push(callback);
        return systemClock.setTimer(delayMs, callback);
      },
    };
    const other = await startControlPlane(mesh, { identity: {}, clock });
    const short = await joinToken(other.apiPort, 'default', 'web', 100);
    const client = connect({ token: short.token }, 'tls', other);
    client.start(nodeOf({}));
    await isServed(client);
    assert.equal(timers.length, 1);
    timers[0]?.();
    const { code, details } = await client.ended;
    assert.equal(code, status.UNAUTHENTICATED);
    assert.match(details, /join token .* has expired: connect again/);
    const fresh = await joinToken(other.apiPort, 'default', 'web');
    const next = connect({ token: fresh.token }, 'tls', other);
    next.start(nodeOf({}));
    await isServed(next);
    await other.close();
  });

  it('counts what it refuses, by reason', async () => {
    const { text } = await callApi(plane.apiPort, 'GET', '/metrics');
    assert.match(text, /heddled_refused_proxies_total\{reason="no-proof"\} 2\n/);
    assert.match(text, /heddled_refused_proxies_total\{reason="foreign-node"\} 4\n/);
    assert.match(text, /heddled_ca_certificates_issued_total \d/);
  });
});

describe('permissive xDS in plain text', () => {
  it('gives a Secret to the gateway that has proven who it is, and not to one that only says so', async () => {
    const { certificatePem, keyPem } = forgeCertificate({ names: [] });
    const plane = await startControlPlane(
      { ...mesh, 'gateway.yaml': gatewayYaml(certificatePem, keyPem) },
      { identity: { plaintext: 'permissive' } },
    );
    const { token } = await joinToken(plane.apiPort, 'default', 'edge');
    const { credentials, metadata } = proofFor(plane, { token });
    const proven = new AdsClient(plane.xdsTlsPort, 'delta', { credentials, metadata });
    const unproven = new AdsClient(plane.xdsPort, 'delta');
    const node = nodeOf({ role: 'router', name: 'edge', serviceAccount: 'edge', labels: { istio: 'edge' } });
    for (const client of [proven, unproven]) {
      client.start(node);
      client.send({ typeUrl: typeUrls.secret, resourceNamesSubscribe: ['kubernetes://edge-cert'] });
      await client.until(() => client.answers.some(({ typeUrl }) => typeUrl === typeUrls.secret));
    }
    const told = ({ answers }: AdsClient): readonly string[] =>
      answers.flatMap(({ typeUrl, resources }) => (typeUrl === typeUrls.secret ? [...resources.keys()] : []));
    assert.deepEqual(told(proven), ['kubernetes://edge-cert']);
    assert.deepEqual(told(unproven), []);
    for (const client of [proven, unproven]) client.close();
    await plane.close();
  });

  it('serves who brings no token as what it says, and refuses a bad token all the same', async () => {
    const plane = await startControlPlane(mesh, { identity: { plaintext: 'permissive' } });
    const open = new AdsClient(plane.xdsPort, 'delta');
    open.start(nodeOf({ namespace: 'anything', labels: { app: 'a' } }));
    await open.until(() => open.has(typeUrls.cluster, clusterName('a')));

    const metadata = new Metadata();
    metadata.set('authorization', 'Bearer x');
    const bad = new AdsClient(plane.xdsPort, 'delta', { metadata });
    bad.start(nodeOf({}));
    assert.equal((await bad.ended).code, status.UNAUTHENTICATED);

    const { credentials } = proofFor(plane, {});
    const secure = new AdsClient(plane.xdsTlsPort, 'delta', { credentials });
    secure.start(nodeOf({}));
    assert.equal(
      (await secure.ended).code,
      status.UNAUTHENTICATED,
      'TLS is for those who prove who they are',
    );
    for (const client of [open, bad, secure]) client.close();
    await plane.close();
  });
});

function gatewayYaml(certificatePem: string, keyPem: string): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return `apiVersion: v1
kind: Secret
metadata: { name: edge-cert }
type: kubernetes.io/tls
data: { tls.crt: ${base64(certificatePem)}, tls.key: ${base64(keyPem)} }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: edge }
  servers:
    - port: { number: 8443, name: https, protocol: HTTPS }
      tls: { mode: SIMPLE, credentialName: edge-cert }
      hosts: ['*']
`;
}

function nodeOf(claim: {
  readonly role?: 'sidecar' | 'router';
  readonly name?: string;
  readonly namespace?: string;
  readonly serviceAccount?: string;
  readonly labels?: Readonly<Record<string, string>>;
}): envoy.config.core.v3.INode {
  const { role = 'sidecar', name = 'web-0', namespace = 'default', labels = { app: 'web' } } = claim;
  const { serviceAccount = 'web' } = claim;
  return {
    id: `${role}~127.0.0.1~${name}.${namespace}~local`,
    metadata: {
      fields: {
        INTERCEPTION_MODE: { stringValue: 'NONE' },
        NAMESPACE: { stringValue: namespace },
        SERVICE_ACCOUNT: { stringValue: serviceAccount },
        LABELS: {
          structValue: {
            fields: Object.fromEntries(
              Object.entries(labels).map(([key, value]) => [key, { stringValue: value }]),
            ),
          },
        },
        HEDDLE_EXPLICIT: { structValue: { fields: { httpProxy: { numberValue: 15_080 } } } },
      },
    },
  };
}
