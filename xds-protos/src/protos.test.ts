import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

type LoadProtos = (directory: string, options?: { keepCase?: boolean }) => protobuf.Root;

const require = createRequire(import.meta.url);
const protoDirectory = fileURLToPath(new URL('../proto/', import.meta.url));
const loader = (await import(new URL('../scripts/load-protos.mjs', import.meta.url).href)) as {
  loadProtos: LoadProtos;
  leftOutTypeOf: (field: protobuf.Field) => string | undefined;
  protoFilesIn: (directory: string) => string[];
};
const { loadProtos, leftOutTypeOf, protoFilesIn } = loader;

const ISTIO_PACKAGES: ReadonlySet<string> = new Set(['.envoy.tcp', '.io', '.istio', '.stats', '.udpa']);

/** What Envoy 1.40 has, and the protos to compare with are too old for. Held against Envoy itself by hand, as bytes. */
const TOO_NEW: readonly string[] = [
  '.envoy.config.bootstrap.v3.Bootstrap.stats_eviction_interval: there is no field 42',
  '.envoy.config.rbac.v3.MetadataSource: no such enum',
  '.envoy.config.rbac.v3.Permission.sourced_metadata: there is no field 14',
  '.envoy.config.rbac.v3.SourcedMetadata: no such message',
  '.envoy.config.rbac.v3.Principal.sourced_metadata: there is no field 13',
  '.envoy.config.rbac.v3.Principal.custom: there is no field 14',
  '.envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.rate_limits: there is no field 17',
  '.envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.max_dynamic_descriptors: there is no field 18',
  '.envoy.extensions.filters.network.rbac.v3.RBAC.delay_deny: there is no field 8',
];

/** Envoy's own protos, as @grpc/grpc-js-xds carries them, of the files that we have too. */
function loadEnvoyProtos(): protobuf.Root {
  const dependencies = path.join(path.dirname(require.resolve('@grpc/grpc-js-xds/package.json')), 'deps');
  const directories = readdirSync(dependencies).map((name) => path.join(dependencies, name));
  directories.push(path.dirname(require.resolve('protobufjs/package.json')));
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    if (Object.hasOwn(protobuf.common, target)) return target;
    const found = directories.map((directory) => path.join(directory, target)).find(existsSync);
    if (found === undefined) throw new Error(`no ${target} to compare with`);
    return found;
  };
  const files = protoFilesIn(protoDirectory).filter((name) => !name.startsWith('istio/'));
  root.loadSync(files, { keepCase: true });
  root.resolveAll();
  return root;
}

interface Comparison {
  messages: number;
  fields: number;
  leftOut: number;
  enums: number;
  values: number;
  methods: number;
  differences: string[];
}

/** protobufjs's own google/protobuf definitions spell some fields in camelCase. */
function plainName(object: protobuf.ReflectionObject, name: string): string {
  if (!object.fullName.startsWith('.google.protobuf.')) return name;
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function labelOf(field: protobuf.Field): string {
  if (field instanceof protobuf.MapField) return `map<${field.keyType}>`;
  return field.repeated ? 'repeated' : 'single';
}

/** Explicit presence beyond what the type implies: `optional` in the proto. */
function isOptional(field: protobuf.Field): boolean {
  return (
    (field.partOf as (protobuf.OneOf & { isProto3Optional?: boolean }) | null)?.isProto3Optional === true
  );
}

function oneofOf(field: protobuf.Field): string {
  return field.partOf === null || isOptional(field) ? '' : field.partOf.name;
}

function factsOf(field: protobuf.Field): Record<string, unknown> {
  return {
    name: plainName(field, field.name),
    label: labelOf(field),
    oneof: oneofOf(field),
    optional: isOptional(field),
    type: field.resolvedType?.fullName ?? field.type,
    deprecated: field.options?.['deprecated'] === true,
  };
}

function compareField(ours: protobuf.Field, theirs: protobuf.Field, comparison: Comparison): void {
  const facts = factsOf(ours);
  const expected = factsOf(theirs);
  const leftOut = leftOutTypeOf(ours);
  if (leftOut !== undefined) {
    comparison.leftOut++;
    if (facts['type'] !== 'bytes') comparison.differences.push(`${ours.fullName}: left out, but not bytes`);
    const needsPresence = labelOf(ours) === 'single' && oneofOf(ours) === '';
    if (facts['optional'] !== needsPresence)
      comparison.differences.push(`${ours.fullName}: presence is lost`);
    if (ours.root.lookup(leftOut) !== null)
      comparison.differences.push(`${ours.fullName}: ${leftOut} is not left out`);
    Object.assign(facts, { type: `.${leftOut}`, optional: expected['optional'] });
    if (!(theirs.resolvedType instanceof protobuf.Type))
      comparison.differences.push(`${ours.fullName}: no message`);
  }
  if (JSON.stringify(facts) !== JSON.stringify(expected))
    comparison.differences.push(
      `${ours.fullName}: ${JSON.stringify(facts)} is not ${JSON.stringify(expected)}`,
    );
}

function compareType(ours: protobuf.Type, theirs: protobuf.Type, comparison: Comparison): void {
  comparison.messages++;
  const theirFields = new Map(theirs.fieldsArray.map((field) => [field.id, field]));
  for (const field of ours.fieldsArray) {
    comparison.fields++;
    const match = theirFields.get(field.id);
    theirFields.delete(field.id);
    if (match === undefined) comparison.differences.push(`${field.fullName}: there is no field ${field.id}`);
    else compareField(field, match, comparison);
  }
  for (const lost of theirFields.values()) comparison.differences.push(`${lost.fullName}: lost`);
  const reserved = [ours, theirs].map((type) => JSON.stringify((type.reserved ?? []).map(String).sort()));
  if (reserved[0] !== reserved[1])
    comparison.differences.push(`${ours.fullName}: reserved ${reserved.join(' is not ')}`);
}

function compareEnum(ours: protobuf.Enum, theirs: protobuf.Enum, comparison: Comparison): void {
  comparison.enums++;
  comparison.values += Object.keys(ours.values).length;
  const values = [ours, theirs].map((type) => JSON.stringify(Object.entries(type.values).sort()));
  if (values[0] !== values[1]) comparison.differences.push(`${ours.fullName}: ${values.join(' is not ')}`);
}

function compareService(ours: protobuf.Service, theirs: protobuf.Service, comparison: Comparison): void {
  const methodsOf = (service: protobuf.Service) =>
    service.methodsArray.map((method) => [
      method.name,
      method.resolvedRequestType?.fullName,
      method.resolvedResponseType?.fullName,
      method.requestStream ?? false,
      method.responseStream ?? false,
    ]);
  comparison.methods += ours.methodsArray.length;
  const methods = [ours, theirs].map((service) => JSON.stringify(methodsOf(service)));
  if (methods[0] !== methods[1]) comparison.differences.push(`${ours.fullName}: ${methods.join(' is not ')}`);
}

function compare(ours: protobuf.Root, theirs: protobuf.Root): Comparison {
  const comparison: Comparison = {
    messages: 0,
    fields: 0,
    leftOut: 0,
    enums: 0,
    values: 0,
    methods: 0,
    differences: [],
  };
  const visit = (namespace: protobuf.NamespaceBase): void => {
    for (const object of namespace.nestedArray) {
      // Istio's are not Envoy's; istio-filters.test.ts holds those.
      if (ISTIO_PACKAGES.has(object.fullName)) continue;
      const match = theirs.lookup(object.fullName);
      if (object instanceof protobuf.Type) {
        if (match instanceof protobuf.Type) compareType(object, match, comparison);
        else comparison.differences.push(`${object.fullName}: no such message`);
      } else if (object instanceof protobuf.Enum) {
        if (match instanceof protobuf.Enum) compareEnum(object, match, comparison);
        else comparison.differences.push(`${object.fullName}: no such enum`);
      } else if (object instanceof protobuf.Service) {
        if (match instanceof protobuf.Service) compareService(object, match, comparison);
        else comparison.differences.push(`${object.fullName}: no such service`);
      }
      if (object instanceof protobuf.Namespace) visit(object);
    }
  };
  visit(ours);
  return comparison;
}

describe('our trimmed protos', () => {
  const theirs = loadEnvoyProtos();

  it('have every field of every message they keep, as Envoy has it', () => {
    const comparison = compare(loadProtos(protoDirectory, { keepCase: true }), theirs);
    assert.deepEqual(comparison.differences, TOO_NEW);
    assert.ok(comparison.messages >= 460, `compared ${comparison.messages} messages`);
    assert.ok(comparison.fields >= 1800, `compared ${comparison.fields} fields`);
    assert.ok(comparison.enums >= 60, `compared ${comparison.enums} enums`);
    assert.ok(comparison.values >= 300, `compared ${comparison.values} enum values`);
    assert.ok(comparison.leftOut >= 5 && comparison.leftOut <= 30, `${comparison.leftOut} fields left out`);
    assert.equal(comparison.methods, 2);
  });

  it('are compared by a comparison that sees each planted difference', () => {
    const planted: readonly [string, (type: protobuf.Type) => void, RegExp][] = [
      ['a wrong number', (type) => Object.assign(type.fields['regex'] ?? {}, { id: 77 }), /regex: lost/],
      ['a field lost', (type) => type.remove(type.fieldsArray[0] as protobuf.Field), /google_re2: lost/],
      ['a field added', (type) => type.add(new protobuf.Field('mine', 99, 'string')), /no field 99/],
      ['a wrong name', (type) => Object.assign(type.fields['regex'] ?? {}, { name: 'regexp' }), /"regexp"/],
      ['a wrong type', (type) => Object.assign(type.fields['regex'] ?? {}, { type: 'bytes' }), /"bytes"/],
      [
        'a wrong label',
        (type) => Object.assign(type.fields['regex'] ?? {}, { repeated: true }),
        /"repeated"/,
      ],
      [
        'a lost oneof',
        (type) => Object.assign(type.fields['google_re2'] ?? {}, { partOf: null }),
        /engine_type/,
      ],
    ];
    for (const [what, plant, expected] of planted) {
      const ours = loadProtos(protoDirectory, { keepCase: true });
      plant(ours.lookupType('envoy.type.matcher.v3.RegexMatcher'));
      assert.match(compare(ours, theirs).differences.join('\n'), expected, what);
    }
    const ours = loadProtos(protoDirectory, { keepCase: true });
    Object.assign(ours.lookupEnum('envoy.config.core.v3.TrafficDirection').values, { INBOUND: 9 });
    assert.match(compare(ours, theirs).differences.join('\n'), /TrafficDirection/);
  });
});
