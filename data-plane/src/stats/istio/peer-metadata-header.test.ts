import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { google } from '@heddle/xds-protos';
import { nodeMetadata } from '../../testing/istio-samples.js';
import { decodePeerMetadata, encodePeerMetadata } from './peer-metadata-header.js';
import {
  workloadMetadataOf,
  workloadMetadataOfEndpoint,
  type WorkloadMetadata,
} from './workload-metadata.js';

const CART = workloadMetadataOf(
  nodeMetadata({
    WORKLOAD_NAME: 'cart-v2',
    NAMESPACE: 'shop',
    NAME: 'cart-v2-0',
    CLUSTER_ID: 'Kubernetes',
    SERVICE_ACCOUNT: 'cart',
    OWNER: 'kubernetes://apis/apps/v1/namespaces/shop/deployments/cart-v2',
    INTERCEPTION_MODE: 'NONE',
    LABELS: {
      version: 'v2',
      app: 'cart',
      'service.istio.io/canonical-name': 'cart',
      'service.istio.io/canonical-revision': 'v2',
      'pod-template-hash': '123',
    },
  }),
);

describe('the header x-envoy-peer-metadata', () => {
  it('holds what an Istio proxy tells, and nothing else, in order of names', () => {
    const struct = google.protobuf.Struct.decode(Buffer.from(encodePeerMetadata(CART), 'base64'));
    const labels = struct.fields['LABELS']?.structValue?.fields ?? {};
    assert.deepEqual(Object.keys(struct.fields), [
      'CLUSTER_ID',
      'LABELS',
      'NAME',
      'NAMESPACE',
      'OWNER',
      'WORKLOAD_NAME',
    ]);
    assert.deepEqual(
      Object.entries(labels).map(([name, value]) => [name, value.stringValue]),
      [
        ['app', 'cart'],
        ['service.istio.io/canonical-name', 'cart'],
        ['service.istio.io/canonical-revision', 'v2'],
        ['version', 'v2'],
      ],
    );
  });

  it('is the same bytes as protobuf writes them', () => {
    const small = workloadMetadataOf(nodeMetadata({ NAMESPACE: 'a', LABELS: { app: 'b' } }));
    // LABELS { app: "b" }, then NAMESPACE: "a": each a map entry of key (1) and Value (2).
    const app = [0x0a, 3, ...Buffer.from('app'), 0x12, 3, 0x1a, 1, 98];
    const labels = [
      0x0a,
      6,
      ...Buffer.from('LABELS'),
      0x12,
      app.length + 4,
      0x2a,
      app.length + 2,
      0x0a,
      app.length,
    ];
    const namespace = [0x0a, 9, ...Buffer.from('NAMESPACE'), 0x12, 3, 0x1a, 1, 97];
    const bytes = [
      ...[0x0a, labels.length + app.length, ...labels, ...app],
      ...[0x0a, namespace.length, ...namespace],
    ];
    assert.equal(encodePeerMetadata(small), Buffer.from(bytes).toString('base64'));
  });

  it('reads back as it was, but for what is not told', () => {
    assert.deepEqual(decodePeerMetadata(encodePeerMetadata(CART)), { ...CART, serviceAccount: '' });
  });

  it('is read as older Istio proxies write it, with all their metadata', () => {
    const { Struct } = google.protobuf;
    const metadata = nodeMetadata({
      APP_CONTAINERS: 'sleep',
      CLUSTER_ID: 'Kubernetes',
      INSTANCE_IPS: '10.3.2.211',
      NAMESPACE: 'legacy',
      SERVICE_ACCOUNT: 'sleep',
      WORKLOAD_NAME: 'sleep',
      LABELS: { app: 'sleep', 'security.istio.io/tlsMode': 'istio' },
    });
    const read = decodePeerMetadata(Buffer.from(Struct.encode(metadata).finish()).toString('base64'));
    assert.equal(read?.workload, 'sleep');
    assert.equal(read.serviceAccount, 'sleep');
  });

  it('is nothing when it is no metadata, is too long, or nests too deeply', () => {
    assert.equal(decodePeerMetadata(Buffer.from([0x0a, 0xff]).toString('base64')), undefined);
    assert.equal(decodePeerMetadata('A'.repeat(16 * 1024 + 1)), undefined);
    let deep: number[] = [];
    // A Struct of one field "a", whose Value is the Struct before.
    for (let i = 0; i < 300; i++) {
      deep = field(0x0a, [...field(0x0a, [97]), ...field(0x12, field(0x2a, deep))]);
    }
    assert.equal(decodePeerMetadata(Buffer.from(deep).toString('base64')), undefined);
    assert.notEqual(
      decodePeerMetadata(Buffer.from(field(0x0a, field(0x0a, [97]))).toString('base64')),
      undefined,
    );
  });

  it('never throws and gives bounded texts, whatever a peer sends', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String(),
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString('base64')),
      fc
        .dictionary(
          fc.constantFrom('NAMESPACE', 'WORKLOAD_NAME', 'LABELS', 'OWNER', '__proto__', 'constructor'),
          fc.oneof(
            fc.string({ maxLength: 2000 }),
            fc.dictionary(fc.constantFrom('app', 'version', '__proto__'), fc.string({ maxLength: 600 })),
          ),
        )
        .map((values) =>
          Buffer.from(google.protobuf.Struct.encode(nodeMetadata(values)).finish()).toString('base64'),
        ),
    );
    fc.assert(
      fc.property(value, (text) => {
        const metadata = decodePeerMetadata(text);
        if (metadata === undefined) return;
        for (const [name, field] of Object.entries(metadata)) {
          assert.equal(typeof field, 'string');
          assert.ok((field as string).length <= (name === 'owner' ? 1024 : 253));
        }
      }),
    );
  });
});

/** A field of bytes: its tag, length (below 16,384) and content. */
function field(tag: number, content: readonly number[]): number[] {
  const { length } = content;
  return [tag, ...(length < 128 ? [length] : [(length & 127) | 128, length >> 7]), ...content];
}

describe('what the control plane says of an endpoint', () => {
  it('is read as Istio writes it', () => {
    const metadata = workloadMetadataOfEndpoint('cart-v2;shop;cart;v2;Kubernetes') as WorkloadMetadata;
    assert.deepEqual(
      [
        metadata.workload,
        metadata.namespace,
        metadata.canonicalName,
        metadata.canonicalRevision,
        metadata.cluster,
      ],
      ['cart-v2', 'shop', 'cart', 'v2', 'Kubernetes'],
    );
  });

  it('is nothing with fewer parts', () => {
    assert.equal(workloadMetadataOfEndpoint('cart;shop;cart;v2'), undefined);
    assert.equal(workloadMetadataOfEndpoint(''), undefined);
  });
});
