import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLogger } from '@heddle/common';
import { typeUrls, type envoy } from '@heddle/xds-protos';
import { httpCall } from '../support/http-call.js';
import { eventually } from '../support/eventually.js';
import { AdsClient } from './ads-client.js';
import { startControlPlane, type RunningControlPlane } from './mesh-folder.js';

const SDS = typeUrls.secret;
const fixture = (name: string): Promise<string> =>
  readFile(
    fileURLToPath(new URL(`../../../control-plane/testdata/certificates/${name}`, import.meta.url)),
    'utf8',
  );
const shop = { certificate: await fixture('shop.pem'), key: await fixture('shop.key') };
const bank = { certificate: await fixture('bank.pem'), key: await fixture('bank.key') };

const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: 8443, name: https, protocol: HTTPS }
      hosts: ['*']
      tls: { mode: SIMPLE, credentialName: edge }
`;

for (const variant of ['sotw', 'delta'] as const) {
  describe(`Secrets of heddled (${variant})`, () => {
    const opened: { close(): unknown }[] = [];
    after(async () => {
      for (const one of opened.reverse()) await one.close();
    });
    const logged: string[] = [];
    const start = async (files: Readonly<Record<string, string>>): Promise<RunningControlPlane> => {
      const log = createLogger({
        component: 'heddled',
        level: 'trace',
        sink: { write: (line) => logged.push(line) },
      });
      const plane = await startControlPlane(files, { log });
      opened.push(plane);
      return plane;
    };
    const connect = (port: number, node: envoy.config.core.v3.INode): AdsClient => {
      const client = new AdsClient(port, variant);
      opened.push(client);
      client.start(node);
      client.subscribe(SDS, ['kubernetes://edge', 'kubernetes://other']);
      return client;
    };

    it('come to a gateway that names them, and a new certificate comes alone', async () => {
      const plane = await start({ 'gateway.yaml': gateway, 'secret.yaml': secret('edge', shop) });
      const client = connect(plane.xdsPort, gatewayNode('default'));
      await client.until(
        () => client.has(SDS, 'kubernetes://edge') && client.held.get(typeUrls.listener)?.size === 1,
      );
      const before = client.answers.length;
      await plane.write('secret.yaml', secret('edge', bank));
      await client.until(() => client.answers.length > before);
      await plane.write('marker.yaml', marker);
      await client.until(() => client.has(typeUrls.cluster, 'outbound|80||marker.default.svc.cluster.local'));
      const news = client.answers.slice(before).map(({ typeUrl }) => typeUrl);
      assert.deepEqual([news[0], news[1]], [SDS, typeUrls.cluster]);
      assert.deepEqual([...(client.answers[before]?.resources.keys() ?? [])], ['kubernetes://edge']);
    });

    it('come to no proxy of another namespace, to no sidecar, and not to a gateway that has no use for them', async () => {
      const plane = await start({
        'gateway.yaml': gateway,
        'secret.yaml': `${secret('edge', shop)}---\n${secret('other', bank)}`,
        'marker.yaml': marker,
      });
      const own = connect(plane.xdsPort, gatewayNode('default'));
      await own.until(() => own.has(SDS, 'kubernetes://edge'));
      const clients = [
        connect(plane.xdsPort, gatewayNode('elsewhere')),
        connect(plane.xdsPort, { ...gatewayNode('default'), id: 'sidecar~127.0.0.1~a.default~local' }),
        connect(plane.xdsPort, gatewayNode('default', 'another')),
      ];
      for (const client of clients) {
        await client.until(() =>
          client.has(typeUrls.cluster, 'outbound|80||marker.default.svc.cluster.local'),
        );
        assert.equal(client.held.get(SDS)?.size ?? 0, 0);
      }
      assert.equal(own.has(SDS, 'kubernetes://other'), false);
    });

    it('keep serving as they were when a file is broken or the key does not match, which is told in its place', async () => {
      const plane = await start({ 'gateway.yaml': gateway, 'secret.yaml': secret('edge', shop) });
      const client = connect(plane.xdsPort, gatewayNode('default'));
      await client.until(
        () => client.has(SDS, 'kubernetes://edge') && client.held.get(typeUrls.listener)?.size === 1,
      );
      const before = client.answers.length;
      for (const [broken, message] of [
        [secret('edge', { certificate: shop.certificate, key: bank.key }), /does not belong/],
        [
          secret('edge', { certificate: shop.certificate.replace('MII', 'NNN'), key: shop.key }),
          /cannot be read/,
        ],
      ] as const) {
        await plane.write('secret.yaml', broken);
        await eventually(
          async () => message.test((await httpCall(plane.apiPort, '/api/v1/problems')).body),
          () => `no problem like ${message.source}`,
        );
        const { body } = await httpCall(plane.apiPort, '/api/v1/problems');
        const { problems } = JSON.parse(body) as { problems: { file: string; line: number }[] };
        assert.match(problems[0]?.file ?? '', /secret\.yaml$/);
        assert.ok((problems[0]?.line ?? 0) > 5);
      }
      const { body } = await httpCall(plane.apiPort, '/api/v1/resources/Secret/default/edge');
      assert.equal((JSON.parse(body) as { data: object }).data !== undefined, true);
      assert.equal(client.answers.length, before);
      assert.equal(client.has(SDS, 'kubernetes://edge'), true);
    });

    it('are shown by no API and no log', async () => {
      const plane = await start({ 'gateway.yaml': gateway, 'secret.yaml': secret('edge', shop) });
      const client = connect(plane.xdsPort, gatewayNode('default'));
      await client.until(() => client.has(SDS, 'kubernetes://edge'));
      const id = encodeURIComponent(gatewayNode('default').id ?? '');
      const shown = await Promise.all(
        [
          '/api/v1/resources/Secret/default/edge',
          `/api/v1/proxies/${id}/config`,
          `/api/v1/proxies/${id}/config?type=secrets`,
          '/api/v1/problems',
          '/api/v1/resources',
        ].map(async (path) => (await httpCall(plane.apiPort, path)).body),
      );
      assert.match(shown[0] ?? '', /"tls\.key": *"\[redacted\]"/);
      assert.match(shown[2] ?? '', /kubernetes:\/\/edge/);
      const pieces = shop.key
        .split('\n')
        .filter((line) => line.length > 20 && !line.startsWith('-'))
        .flatMap((line) => [line, Buffer.from(shop.key).toString('base64').slice(60, 90)]);
      assert.ok(pieces.length > 0);
      for (const text of [...shown, ...logged]) {
        for (const piece of pieces) assert.ok(!text.includes(piece), text.slice(0, 200));
      }
    });
  });
}

const marker = `apiVersion: v1
kind: Service
metadata: { name: marker }
spec: { ports: [{ name: http, port: 80 }] }
`;

function secret(name: string, { certificate, key }: { certificate: string; key: string }): string {
  const block = (text: string): string => text.replaceAll(/^/gm, '    ').trimEnd();
  return `apiVersion: v1
kind: Secret
metadata: { name: ${name} }
type: kubernetes.io/tls
stringData:
  tls.crt: |
${block(certificate)}
  tls.key: |
${block(key)}
`;
}

function gatewayNode(namespace: string, label = 'ingressgateway'): envoy.config.core.v3.INode {
  return {
    id: `router~127.0.0.1~${label}.${namespace}~local`,
    cluster: 'edge',
    metadata: {
      fields: {
        NAMESPACE: { stringValue: namespace },
        LABELS: { structValue: { fields: { istio: { stringValue: label } } } },
      },
    },
  };
}
