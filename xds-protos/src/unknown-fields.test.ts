import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { messageNames } from './descriptors.js';
import { envoy, google, messageType, unknownFieldsOf } from './index.js';

/** A field as it stands on the wire: number, wire type 2, bytes. */
function wireField(tag: number, bytes: Uint8Array): Buffer {
  const varint: number[] = [];
  for (let rest = tag * 8 + 2; ; rest = Math.floor(rest / 128)) {
    varint.push(rest > 127 ? (rest % 128) | 128 : rest);
    if (rest <= 127) break;
  }
  assert.ok(bytes.length < 128);
  return Buffer.concat([Buffer.from(varint), Buffer.from([bytes.length]), bytes]);
}

describe('unknown fields', () => {
  const { RouteMatch, VirtualHost } = envoy.config.route.v3;
  const match = Buffer.concat([
    RouteMatch.encode({ prefix: '/' }).finish(),
    wireField(536_870_911, Buffer.from('new')),
    wireField(99, Buffer.alloc(0)),
  ]);
  const route = wireField(1, match);
  const bytes = Buffer.concat([
    VirtualHost.encode({ name: 'v' }).finish(),
    wireField(3, route),
    wireField(1999, Buffer.from('x')),
  ]);

  it('are kept and listed with the path of the message that carries them', () => {
    assert.deepEqual(unknownFieldsOf(VirtualHost.decode(bytes)), [
      { path: '', tag: 1999 },
      { path: 'routes[0].match', tag: 536_870_911 },
      { path: 'routes[0].match', tag: 99 },
    ]);
  });

  it('are written back by encode', () => {
    const again = VirtualHost.decode(VirtualHost.encode(VirtualHost.decode(bytes)).finish());
    assert.deepEqual(unknownFieldsOf(again), unknownFieldsOf(VirtualHost.decode(bytes)));
  });

  it('leave a oneof unset when its member is one we do not have', () => {
    const decoded = RouteMatch.decode(wireField(99, Buffer.from('x')));
    assert.equal(decoded.pathSpecifier, undefined);
    assert.equal(unknownFieldsOf(decoded).length, 1);
  });

  it('are listed up to a limit', () => {
    const many = Buffer.concat(Array.from({ length: 500 }, () => wireField(99, Buffer.alloc(1))));
    assert.equal(unknownFieldsOf(RouteMatch.decode(many)).length, 100);
    assert.equal(unknownFieldsOf(RouteMatch.decode(many), { limit: 3 }).length, 3);
  });

  it('are found in maps and lists', () => {
    const fields = google.protobuf.Struct.encode({ fields: { a: { stringValue: 'x' } } }).finish();
    assert.deepEqual(unknownFieldsOf(google.protobuf.Struct.decode(fields)), []);
    const entry = Buffer.concat([
      wireField(1, Buffer.from('k.x')),
      wireField(2, wireField(77, Buffer.alloc(0))),
    ]);
    const struct = google.protobuf.Struct.decode(wireField(1, entry));
    assert.deepEqual(unknownFieldsOf(struct), [{ path: 'fields["k.x"]', tag: 77 }]);
  });
});

describe('a message that we leave out', () => {
  const { Listener } = envoy.config.listener.v3;

  it('is seen even when it is empty, and written back', () => {
    const bytes = wireField(32, Buffer.alloc(0));
    const listener = Listener.decode(bytes);
    assert.equal(listener.filterChainMatcher?.length, 0);
    assert.deepEqual(Buffer.from(Listener.encode(listener).finish()), bytes);
    assert.equal(Listener.create({}).filterChainMatcher, null);
  });
});

describe('decoding', () => {
  it('gives a message or an Error for any bytes, for any type', () => {
    let decoded = 0;
    fc.assert(
      fc.property(fc.constantFrom(...messageNames()), fc.uint8Array({ maxLength: 60 }), (name, bytes) => {
        const type = messageType(name);
        assert.ok(type);
        let message: object;
        try {
          message = type.decode(bytes);
        } catch (error) {
          assert.ok(error instanceof Error);
          return;
        }
        decoded++;
        unknownFieldsOf(message);
        type.decode(type.encode(message).finish());
      }),
      { numRuns: 3000 },
    );
    assert.ok(decoded > 50, `${decoded} decoded`);
  });

  it('refuses a message nested deeper than a hundred levels', () => {
    const { Permission } = envoy.config.rbac.v3;
    const nested = (levels: number) => {
      let permission: envoy.config.rbac.v3.IPermission = { any: true };
      for (let level = 0; level < levels; level++) permission = { notRule: permission };
      return permission;
    };
    const bytes = Permission.encode(nested(100)).finish();
    assert.ok(Permission.decode(bytes));
    const length = Buffer.from([0x80 | (bytes.length & 127), bytes.length >> 7]);
    assert.throws(() => Permission.decode(Buffer.concat([Buffer.from([0x42]), length, bytes])), /max depth/);
    assert.throws(() => Permission.encode(nested(101)), /max depth/);
  });

  it('reads 64-bit integers as numbers and refuses those a number cannot hold', () => {
    const { UInt64Value, Int64Value, Duration } = google.protobuf;
    const roundTrip = (value: number) => Int64Value.decode(Int64Value.encode({ value }).finish()).value;
    fc.assert(fc.property(fc.maxSafeInteger(), (value) => assert.equal(roundTrip(value), value)));
    assert.equal(Duration.create({ seconds: -5 }).seconds, -5);
    assert.equal(Duration.create({}).seconds, 0);
    assert.throws(() => UInt64Value.decode(UInt64Value.encode({ value: 2 ** 53 }).finish()), RangeError);
    assert.throws(() => Int64Value.decode(Int64Value.encode({ value: -(2 ** 60) }).finish()), RangeError);
  });

  it('takes a Uint8Array that is not a Buffer, and a part of a larger one', () => {
    const bytes = envoy.config.core.v3.Node.encode({ id: 'a' }).finish();
    const larger = new Uint8Array([9, 9, ...bytes, 9]);
    assert.equal(envoy.config.core.v3.Node.decode(larger.subarray(2, -1)).id, 'a');
  });
});

describe('create', () => {
  it('makes instances all the way down, with defaults', () => {
    const { Node, Locality } = envoy.config.core.v3;
    const node = Node.create({ id: 'x', locality: { zone: 'z' } });
    assert.ok(node instanceof Node);
    assert.ok(node.locality instanceof Locality);
    assert.equal(node.locality.region, '');
    assert.deepEqual(node.extensions, []);
    assert.equal(node.metadata, null);
  });
});
