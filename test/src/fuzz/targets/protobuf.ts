import assert from 'node:assert/strict';
import { decodePeerMetadata, encodePeerMetadata } from '@heddle/data-plane/testing';
import { envoy, fromJson, google, toJson, type ProtoProblem } from '@heddle/xds-protos';
import type { FuzzTarget } from '../fuzz-target.js';

interface Codec<T> {
  decode(bytes: Uint8Array): T;
  encode(message: T): { finish(): Uint8Array };
}

/** What makes a stack end is a mistake, whatever the class of the error. */
const isDeclared = (thrown: unknown): boolean =>
  thrown instanceof Error &&
  !(thrown instanceof TypeError) &&
  !/call stack|Invalid (array|string) length/.test(thrown.message);

/** What could be decoded is encoded, and decoded again: both must hold the same. */
function reencoded<T>(codec: Codec<T>, bytes: Buffer): string {
  let message: T;
  try {
    message = codec.decode(bytes);
  } catch (thrown) {
    if (!isDeclared(thrown)) throw thrown;
    return `refused: ${(thrown as Error).message}`;
  }
  const once = Buffer.from(codec.encode(message).finish());
  const twice = Buffer.from(codec.encode(codec.decode(once)).finish());
  assert.ok(once.equals(twice), 'it is not understood as what it was');
  return `${once.length} bytes`;
}

const TOKENS = [
  ...[
    '0a',
    '0a00',
    '0a0161',
    '12',
    '1a',
    '22',
    '08',
    '0801',
    '10ffffffffffffffffff01',
    '0d00000000',
    '09',
    '0b',
    '0c',
    '0f',
    '07',
  ],
  ...[
    'ffffffff07',
    'ffffffffffffffffff7f',
    '8000',
    '0afeffffff0f',
    '0a80',
    'c2',
    '0a020a00',
    '0a040a020a00',
    '1801',
    '00',
  ],
].map((text) => Buffer.from(text, 'hex'));

const { DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryResponse } = envoy.service.discovery.v3;

export const protobufTargets: readonly FuzzTarget[] = [
  {
    name: 'protobuf',
    isStream: false,
    tokens: TOKENS,
    run: ([bytes = Buffer.alloc(0)]) =>
      [
        reencoded(DeltaDiscoveryRequest, bytes),
        reencoded(DeltaDiscoveryResponse, bytes),
        reencoded(DiscoveryResponse, bytes),
        reencoded(envoy.config.listener.v3.Listener, bytes),
        reencoded(envoy.config.cluster.v3.Cluster, bytes),
        reencoded(google.protobuf.Struct, bytes),
      ].join('; '),
  },
  {
    name: 'peer-metadata',
    isStream: false,
    tokens: ['Cg', 'CgI', 'EgA', '=', '==', 'AAAA', '////', 'NAMESPACE', 'LABELS'],
    run: ([bytes = Buffer.alloc(0)]) => {
      const metadata = decodePeerMetadata(bytes.toString('latin1'));
      if (metadata === undefined) return 'none';
      assert.deepEqual(decodePeerMetadata(encodePeerMetadata(metadata)), metadata);
      return JSON.stringify(metadata);
    },
  },
  {
    name: 'proto-json',
    isStream: false,
    tokens: [
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      'null',
      '1e400',
      '-0',
      '"@type"',
      '"name"',
      '"1s"',
      '"-1.5s"',
      '"\\u0000"',
      'true',
    ],
    run: ([bytes = Buffer.alloc(0)]) => {
      let json: unknown;
      try {
        json = JSON.parse(bytes.toString('utf8'));
      } catch {
        return 'not JSON';
      }
      const problems: ProtoProblem[] = [];
      const listener = fromJson(envoy.config.listener.v3.Listener, json, problems);
      if (listener === undefined || problems.length > 0)
        return problems.map(({ path, message }) => `${path} ${message}`).join();
      const again = fromJson(
        envoy.config.listener.v3.Listener,
        toJson('envoy.config.listener.v3.Listener', listener),
        [],
      );
      assert.deepEqual(
        toJson('envoy.config.listener.v3.Listener', again as never),
        toJson('envoy.config.listener.v3.Listener', listener),
      );
      return 'taken';
    },
  },
];
