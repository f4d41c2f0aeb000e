// Writes proto/**/*.proto from proto/messages.txt (which messages we keep, each with our own comment) and from a
// copy of Envoy's protos, of which only the facts are taken: packages, names, numbers, types and labels.
//
//   node xds-protos/scripts/trim-protos.mjs [SOURCE]...
//
// SOURCE is a directory that holds envoy/, xds/ or google/; by default those that @grpc/grpc-js-xds carries.
// To add a message: add its line to proto/messages.txt, run this, then the tests.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { readKeptMessages } from './kept-messages.mjs';
import { protoFilesIn } from './load-protos.mjs';

const require = createRequire(import.meta.url);
const protoDirectory = fileURLToPath(new URL('../proto/', import.meta.url));
const protobufDirectory = path.dirname(require.resolve('protobufjs/package.json'));

function defaultSources() {
  const dependencies = path.join(path.dirname(require.resolve('@grpc/grpc-js-xds/package.json')), 'deps');
  return readdirSync(dependencies).map((name) => path.join(dependencies, name));
}

const sources = process.argv.length > 2 ? process.argv.slice(2) : defaultSources();
const kept = readKeptMessages(path.join(protoDirectory, 'messages.txt'));

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => {
  if (target in protobuf.common) return target;
  for (const directory of [...sources, protobufDirectory]) {
    const candidate = path.join(directory, target);
    if (existsSync(candidate)) return candidate;
  }
  throw new Error(`${target} is in none of the sources`);
};
root.loadSync([...kept.keys()], { keepCase: true });
root.resolveAll();

/** The kept types of all files: full name without leading dot -> file. */
const fileOfType = new Map();
/** file -> { package, services, types: top-level types in the source's order }. */
const contents = new Map();
const fileBySource = new Map([...kept.keys()].map((file) => [root.resolvePath('', file), file]));

const fullNameOf = (object) => object.fullName.slice(1);
const isTypeLike = (object) => object instanceof protobuf.Type || object instanceof protobuf.Enum;
const packageOf = (object) =>
  isTypeLike(object) || object instanceof protobuf.Service ? packageOf(object.parent) : fullNameOf(object);

(function collect(namespace) {
  for (const object of namespace.nestedArray) {
    const file = fileBySource.get(object.filename);
    if (file !== undefined && (isTypeLike(object) || object instanceof protobuf.Service)) {
      const packageName = packageOf(object);
      const content = contents.get(file) ?? { packageName, types: [], services: [] };
      contents.set(file, content);
      const name = fullNameOf(object).slice(packageName.length + 1);
      if (object instanceof protobuf.Service) {
        if (kept.get(file).has(name)) content.services.push(object);
      } else if (kept.get(file).has(name)) {
        fileOfType.set(fullNameOf(object), file);
        if (!name.includes('.')) content.types.push(object);
      }
    }
    if (object.nestedArray) collect(object);
  }
})(root);

for (const [file, names] of kept) {
  const { packageName = '' } = contents.get(file) ?? {};
  for (const name of names.keys())
    if (
      !fileOfType.has(`${packageName}.${name}`) &&
      !contents.get(file)?.services.some((service) => service.name === name)
    )
      throw new Error(`${file}: no message, enum or service ${name} in the source`);
}

/** The name under which a type is written inside a package: protobuf resolves the first part from inside out. */
function referenceTo(type, from) {
  const fullName = fullNameOf(type);
  const packageName = packageOf(from);
  const sameParent = packageOf(type) === packageName ? fullName.slice(packageName.length + 1) : fullName;
  for (let scope = from; scope !== root; scope = scope.parent) {
    const first = scope.nested?.[sameParent.split('.')[0]];
    if (first !== undefined)
      return fullNameOf(first) === fullName.split('.').slice(0, fullNameOf(first).split('.').length).join('.')
        ? sameParent
        : `.${fullName}`;
  }
  return sameParent;
}

function writeReserved(type, indent) {
  const ranges = (type.reserved ?? []).filter(Array.isArray);
  const names = (type.reserved ?? []).filter((entry) => typeof entry === 'string');
  const lines = [];
  if (ranges.length > 0)
    lines.push(
      `${indent}reserved ${ranges.map(([from, to]) => (from === to ? from : `${from} to ${to >= 536870911 ? 'max' : to}`)).join(', ')};`,
    );
  if (names.length > 0)
    lines.push(`${indent}reserved ${names.map((name) => JSON.stringify(name)).join(', ')};`);
  return lines;
}

function writeField(field, type, imports, indent) {
  let typeName = field.type;
  let leftOut = '';
  const resolved = field.resolvedType;
  if (resolved) {
    const fullName = fullNameOf(resolved);
    if (fullName.startsWith('google.protobuf.')) {
      typeName = fullName;
      const common = Object.keys(protobuf.common).find(
        (name) => protobuf.common[name].nested?.google?.nested?.protobuf?.nested?.[resolved.name],
      );
      if (common === undefined) throw new Error(`no file known for ${fullName}`);
      imports.add(common);
    } else if (fileOfType.has(fullName)) {
      typeName = referenceTo(resolved, type);
      imports.add(fileOfType.get(fullName));
    } else if (resolved instanceof protobuf.Enum) {
      throw new Error(`${field.fullName}: its enum ${fullName} must be kept too`);
    } else {
      typeName = 'bytes';
      leftOut = ` // left out: ${fullName}`;
    }
  }
  const declared = field.map ? `map<${field.keyType}, ${typeName}>` : typeName;
  // Even an empty message that we leave out must be seen: so its bytes have presence.
  const hasPresence = field.partOf?.isProto3Optional || (leftOut !== '' && !field.partOf);
  const label = field.repeated && !field.map ? 'repeated ' : hasPresence && !field.map ? 'optional ' : '';
  const options = [];
  if (field.options?.deprecated) options.push('deprecated = true');
  return `${indent}${label}${declared} ${field.name} = ${field.id}${options.length > 0 ? ` [${options.join(', ')}]` : ''};${leftOut}`;
}

function writeComment(file, name, indent) {
  const text = kept.get(file).get(name);
  const words = text.split(' ');
  const lines = [];
  let line = `${indent}//`;
  for (const word of words) {
    if (line.length + 1 + word.length > 100) {
      lines.push(line);
      line = `${indent}//`;
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function writeType(type, file, imports, indent = '') {
  const name = fullNameOf(type).slice(packageOf(type).length + 1);
  const inner = `${indent}  `;
  const lines = writeComment(file, name, indent);
  if (type instanceof protobuf.Enum) {
    lines.push(`${indent}enum ${type.name} {`);
    if (type.options?.allow_alias) lines.push(`${inner}option allow_alias = true;`);
    lines.push(...writeReserved(type, inner));
    for (const [value, number] of Object.entries(type.values)) {
      const deprecated = type.valuesOptions?.[value]?.deprecated ? ' [deprecated = true]' : '';
      lines.push(`${inner}${value} = ${number}${deprecated};`);
    }
    return [...lines, `${indent}}`];
  }
  lines.push(`${indent}message ${type.name} {`);
  lines.push(...writeReserved(type, inner));
  for (const nested of type.nestedArray)
    if (isTypeLike(nested) && fileOfType.has(fullNameOf(nested)))
      lines.push(...writeType(nested, file, imports, inner), '');
  const written = new Set();
  for (const field of type.fieldsArray) {
    const oneof = field.partOf;
    if (!oneof || oneof.isProto3Optional) lines.push(writeField(field, type, imports, inner));
    else if (!written.has(oneof)) {
      written.add(oneof);
      lines.push(`${inner}oneof ${oneof.name} {`);
      for (const member of oneof.fieldsArray) lines.push(writeField(member, type, imports, `${inner}  `));
      lines.push(`${inner}}`);
    }
  }
  if (lines.at(-1) === '') lines.pop();
  if (lines.at(-1).endsWith('{')) lines[lines.length - 1] += '}';
  else lines.push(`${indent}}`);
  return lines;
}

function writeService(service, file, imports) {
  const lines = [...writeComment(file, service.name, ''), `service ${service.name} {`];
  for (const method of service.methodsArray) {
    method.resolve();
    for (const type of [method.resolvedRequestType, method.resolvedResponseType])
      imports.add(fileOfType.get(fullNameOf(type)));
    const request = `${method.requestStream ? 'stream ' : ''}${referenceTo(method.resolvedRequestType, service)}`;
    const response = `${method.responseStream ? 'stream ' : ''}${referenceTo(method.resolvedResponseType, service)}`;
    lines.push(`  rpc ${method.name}(${request}) returns (${response});`);
  }
  return [...lines, '}'];
}

// Written by hand: protobufjs has no sources of google/protobuf/, and Envoy's protos do not hold Istio's.
for (const name of protoFilesIn(protoDirectory))
  if (!/^(google\/protobuf|istio)\//.test(name)) rmSync(path.join(protoDirectory, name));
for (const [file, { packageName, types, services }] of contents) {
  const imports = new Set();
  const blocks = [
    ...types.map((type) => writeType(type, file, imports)),
    ...services.map((service) => writeService(service, file, imports)),
  ];
  imports.delete(file);
  const head = ['syntax = "proto3";', '', `package ${packageName};`];
  if (imports.size > 0) head.push('', ...[...imports].sort().map((name) => `import "${name}";`));
  const target = path.join(protoDirectory, file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, `${[head, ...blocks].map((lines) => lines.join('\n')).join('\n\n')}\n`);
}
console.log(`${contents.size} files, ${fileOfType.size} messages and enums`);
