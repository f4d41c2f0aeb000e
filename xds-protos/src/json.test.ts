import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import protojson from 'protobufjs/ext/protojson.js';
import { fromJson, messageType, packAny, toJson, type ProtoProblem } from './index.js';
import { messageNames } from './descriptors.js';

const { loadProtos, leftOutTypeOf } = (await import(
  new URL('../scripts/load-protos.mjs', import.meta.url).href
)) as {
  loadProtos: (directory: string) => protobuf.Root;
  leftOutTypeOf: (field: protobuf.Field) => string | undefined;
};
const root = loadProtos(fileURLToPath(new URL('../proto/', import.meta.url)));

type Plain = Record<string, unknown>;

const safeInteger = fc.maxSafeInteger();
const text = fc.string({ unit: 'grapheme', maxLength: 8 });
const key = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('__proto__', 'constructor', 'a.b', ''));
const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  // A negative zero differs on the wire; the reflective mapper takes it for the default.
  double: fc.double().filter((value) => !Object.is(value, -0)),
  float: fc.float().filter((value) => !Object.is(value, -0)),
  int32: fc.integer(),
  uint32: fc.nat({ max: 0xffffffff }),
  int64: safeInteger,
  uint64: safeInteger.map(Math.abs),
  bool: fc.boolean(),
  string: text,
  bytes: fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
};

/** A map that may hold any key, also `__proto__`, as the decoders make it. */
function mapOf(values: fc.Arbitrary<unknown>): fc.Arbitrary<Plain> {
  return fc.array(fc.tuple(key, values), { maxLength: 3 }).map((entries) => {
    const map: Plain = {};
    for (const [name, value] of entries)
      Object.defineProperty(map, name, { value, enumerable: true, configurable: true, writable: true });
    return map;
  });
}

function seconds(most: number, signed: boolean): fc.Arbitrary<Plain> {
  return fc
    .record({
      seconds: fc.integer({ min: 0, max: most }),
      nanos: fc.oneof(
        fc.nat({ max: 999_999_999 }),
        fc.nat({ max: 999 }).map((millis) => millis * 1_000_000),
      ),
      negative: fc.boolean(),
    })
    .map(({ seconds, nanos, negative }) =>
      signed && negative ? { seconds: 0 - seconds, nanos: 0 - nanos } : { seconds, nanos },
    );
}

function valueArbitrary(depth: number): fc.Arbitrary<Plain> {
  const leaves: fc.Arbitrary<Plain>[] = [
    fc.constant({ nullValue: 0 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((numberValue) => ({ numberValue })),
    text.map((stringValue) => ({ stringValue })),
    fc.boolean().map((boolValue) => ({ boolValue })),
  ];
  if (depth <= 0) return fc.oneof(...leaves);
  return fc.oneof(
    ...leaves,
    mapOf(valueArbitrary(depth - 1)).map((fields) => ({ structValue: { fields } })),
    fc.array(valueArbitrary(depth - 1), { maxLength: 2 }).map((values) => ({ listValue: { values } })),
  );
}

const anyArbitrary: fc.Arbitrary<Plain> = fc.oneof(
  fc.constant({}),
  text.map((address) => ({ ...packAny('envoy.config.core.v3.Pipe', { path: address }) })),
  fc.nat().map((value) => ({ ...packAny('google.protobuf.UInt32Value', { value }) })),
  valueArbitrary(1).map((value) => ({ ...packAny('google.protobuf.Value', value) })),
);

/** Plain objects of a message type: at most a few fields each, so that they end. */
function messageArbitrary(type: protobuf.Type, depth: number): fc.Arbitrary<Plain> {
  switch (type.fullName) {
    case '.google.protobuf.Duration':
      return seconds(315_576_000_000, true).filter(
        ({ seconds }) => Math.abs(Number(seconds)) < 315_576_000_000,
      );
    case '.google.protobuf.Timestamp':
      return seconds(253_402_300_799, false);
    case '.google.protobuf.Any':
      return anyArbitrary;
    case '.google.protobuf.FieldMask':
      return fc.record({
        paths: fc.array(fc.stringMatching(/^[a-z]{1,4}(_[a-z]{1,3})?(\.[a-z]{1,3})?$/), { maxLength: 3 }),
      });
    case '.google.protobuf.Value':
      return valueArbitrary(2);
    case '.google.protobuf.Struct':
      return mapOf(valueArbitrary(1)).map((fields) => ({ fields }));
    case '.google.protobuf.ListValue':
      return fc.array(valueArbitrary(1), { maxLength: 2 }).map((values) => ({ values }));
  }
  const fields = type.fieldsArray.filter(
    (field) =>
      leftOutTypeOf(field) === undefined && (depth > 0 || !(field.resolvedType instanceof protobuf.Type)),
  );
  return fc.subarray(fields, { maxLength: Math.min(4, fields.length) }).chain((chosen) => {
    const members = new Map(chosen.map((field) => [field.partOf?.name ?? field.name, field]));
    return fc.record(
      Object.fromEntries([...members.values()].map((field) => [field.name, fieldArbitrary(field, depth)])),
    );
  });
}

function fieldArbitrary(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  const { resolvedType } = field;
  let value = scalars[field.type];
  if (resolvedType instanceof protobuf.Enum)
    value = fc.oneof(fc.constantFrom(...Object.values(resolvedType.values)), fc.nat());
  if (resolvedType instanceof protobuf.Type) value = messageArbitrary(resolvedType, depth - 1);
  if (value === undefined) throw new Error(`nothing for ${field.type}`);
  if (field.map) return mapOf(value);
  return field.repeated ? fc.array(value, { maxLength: 2 }) : value;
}

const typedMessage = fc
  .constantFrom(...messageNames())
  .chain((name) => messageArbitrary(root.lookupType(name), 3).map((message) => ({ name, message })));

function typeNamed(name: string) {
  const type = messageType(name);
  assert.ok(type, name);
  return type;
}

function read(name: string, json: unknown): { message: object; problems: ProtoProblem[] } {
  const problems: ProtoProblem[] = [];
  return { message: fromJson(typeNamed(name), json, problems), problems };
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('the static codecs', () => {
  it('encode and decode every type as the reflective ones do', () => {
    fc.assert(
      fc.property(typedMessage, ({ name, message }) => {
        const type = typeNamed(name);
        const bytes = type.encode(message).finish();
        assert.equal(hexOf(bytes), hexOf(root.lookupType(name).encode(message).finish()));
        assert.equal(hexOf(type.encode(type.decode(bytes)).finish()), hexOf(bytes));
      }),
      { numRuns: 1500 },
    );
  });
});

describe('the wire reader', () => {
  /** The bytes that a message is made again from, or why it was refused. */
  function outcome(decode: () => Uint8Array): string {
    try {
      return hexOf(decode());
    } catch (error) {
      if (error instanceof RangeError && error.message.includes('2^53')) return 'too wide';
      // Where protobufjs moves over a field that it does not know, it minds neither; both are no protobuf.
      const isStricter = error instanceof Error && /ten bytes|field number 0/.test(error.message);
      return isStricter ? 'stricter' : 'refused';
    }
  }

  it('accepts, keeps and refuses what protobufjs does, in damaged messages', () => {
    const seen = { refused: 0, accepted: 0 };
    const damage = fc.record({
      cut: fc.option(fc.nat()),
      flips: fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }),
      tail: fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 12 })),
    });
    fc.assert(
      fc.property(typedMessage, damage, ({ name, message }, { cut, flips, tail }) => {
        const type = typeNamed(name);
        const whole = Buffer.concat([type.encode(message).finish(), tail]);
        const bytes = cut === null ? whole : whole.subarray(0, cut % (whole.length + 1));
        for (const [at, value] of flips) if (bytes.length > 0) bytes[at % bytes.length] = value;
        const ours = outcome(() => type.encode(type.decode(bytes)).finish());
        const reflected = root.lookupType(name);
        const reader = protobuf.Reader.create(bytes);
        reader.discardUnknown = false;
        const theirs = outcome(() => reflected.encode(reflected.decode(reader)).finish());
        if (ours === 'too wide' || ours === 'stricter') return;
        assert.equal(ours, theirs, `${name} ${hexOf(bytes)}`);
        seen[ours === 'refused' ? 'refused' : 'accepted']++;
      }),
      { numRuns: 4000 },
    );
    assert.ok(seen.refused > 300 && seen.accepted > 300, JSON.stringify(seen));
  });
});

describe('the ProtoJSON mapper', () => {
  it('writes what the reflective mapper writes', () => {
    fc.assert(
      fc.property(typedMessage, ({ name, message }) => {
        const bytes = typeNamed(name).encode(message).finish();
        const reflected = root.lookupType(name);
        const expected: unknown = protojson.toJson(reflected, reflected.decode(bytes));
        const written = toJson(name, typeNamed(name).decode(bytes), { preserveProtoFieldNames: false });
        assert.deepEqual(JSON.parse(JSON.stringify(written)), JSON.parse(JSON.stringify(expected)));
      }),
      { numRuns: 1500 },
    );
  });

  it('reads back what it wrote, in either spelling of the names, and as the reflective mapper reads it', () => {
    fc.assert(
      fc.property(typedMessage, fc.boolean(), ({ name, message }, preserveProtoFieldNames) => {
        const type = typeNamed(name);
        const json = JSON.parse(
          JSON.stringify(toJson(name, message, { preserveProtoFieldNames })),
        ) as unknown;
        const { message: back, problems } = read(name, json);
        assert.deepEqual(problems, []);
        const reflected = root.lookupType(name);
        const expected = reflected.encode(protojson.fromJson(reflected, json)).finish();
        assert.equal(hexOf(type.encode(back).finish()), hexOf(expected));
      }),
      { numRuns: 1500 },
    );
  });

  it('refuses and accepts what the reflective mapper does, for any JSON in any field', () => {
    const odd = fc.oneof(
      fc.constantFrom<unknown>(
        null,
        '',
        '1',
        '1.',
        '.5',
        '1e2',
        ' 1',
        '+1',
        'NaN',
        'Infinity',
        'a',
        '1s',
        '-1.5s',
      ),
      fc.constantFrom<unknown>(
        '1.0000000001s',
        '2026-02-29T00:00:00Z',
        '2024-02-29T23:59:59.5+01:30',
        '\ud800',
        'fooBar',
      ),
      fc.constantFrom<unknown>(
        0,
        -1,
        1.5,
        1e10,
        2 ** 31,
        2 ** 32,
        -(2 ** 31),
        1e300,
        true,
        false,
        [],
        {},
        [null],
        { a: null },
      ),
      // A negative zero differs on the wire; the reflective mapper takes it for the default.
      fc.jsonValue({ maxDepth: 1 }).filter((value) => !Object.is(value, -0)),
    );
    let accepted = 0;
    let refused = 0;
    const isComparable = (field: protobuf.Field) =>
      leftOutTypeOf(field) === undefined &&
      !['bytes', 'google.protobuf.Any', 'google.protobuf.BytesValue'].includes(
        field.resolvedType?.fullName.slice(1) ?? field.type,
      );
    const names = messageNames().filter(
      (name) => name !== 'google.protobuf.Any' && root.lookupType(name).fieldsArray.some(isComparable),
    );
    const oddField = fc
      .constantFrom(...names)
      .chain((name) =>
        fc.tuple(
          fc.constant(name),
          fc.constantFrom(...root.lookupType(name).fieldsArray.filter(isComparable)),
          odd,
        ),
      );
    fc.assert(
      fc.property(oddField, ([name, field, value]) => {
        const json = { [field.jsonName]: value };
        const reflected = root.lookupType(name);
        let expected: string | undefined;
        try {
          expected = hexOf(reflected.encode(protojson.fromJson(reflected, json)).finish());
        } catch {
          // refused
        }
        const { message, problems } = read(name, json);
        if (problems.some((problem) => problem.message.includes('that a number can hold'))) return;
        assert.equal(
          problems.length > 0,
          expected === undefined,
          JSON.stringify({ json, problems, expected }),
        );
        if (expected === undefined) refused++;
        else {
          accepted++;
          assert.equal(hexOf(typeNamed(name).encode(message).finish()), expected);
        }
      }),
      { numRuns: 3000 },
    );
    assert.ok(accepted > 100 && refused > 100, `${accepted} accepted, ${refused} refused`);
  });
});
