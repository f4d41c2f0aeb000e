import protobuf from 'protobufjs';

const numberTypes = new Set([
  ...['double', 'float', 'int32', 'uint32', 'sint32', 'fixed32', 'sfixed32'],
  ...['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64'],
]);

const fullNameOf = (object) => object.fullName.slice(1);

function interfaceNameOf(type) {
  return `${fullNameOf(type.parent)}.I${type.name}`;
}

function valueTypeOf(field, asInput) {
  const resolved = field.resolvedType;
  if (resolved instanceof protobuf.Type) return asInput ? interfaceNameOf(resolved) : fullNameOf(resolved);
  if (resolved instanceof protobuf.Enum) return fullNameOf(resolved);
  if (field.type === 'bool') return 'boolean';
  if (field.type === 'bytes') return 'Uint8Array';
  return numberTypes.has(field.type) ? 'number' : 'string';
}

function propertyTypeOf(field, asInput) {
  const value = valueTypeOf(field, asInput);
  if (field.map) return `{ [key: string]: ${value} }`;
  return field.repeated ? `${value}[]` : value;
}

function docOf(object, indent) {
  return object.comment
    ? [`${indent}/** ${object.comment.replaceAll('*/', '* /').replaceAll('\n', ' ')} */`]
    : [];
}

function declareEnum(enumeration, indent) {
  const values = Object.entries(enumeration.values).map(
    ([name, number]) => `${indent}  readonly ${name}: ${number};`,
  );
  return [
    ...docOf(enumeration, indent),
    `${indent}type ${enumeration.name} = number;`,
    `${indent}const ${enumeration.name}: {`,
    ...values,
    `${indent}  readonly [value: number]: string | undefined;`,
    `${indent}};`,
  ];
}

function declareMessage(type, indent) {
  const inner = `${indent}  `;
  const input = [];
  const decoded = [];
  for (const field of type.fieldsArray) {
    input.push(
      ...docOf(field, inner),
      `${inner}${field.name}?: ${propertyTypeOf(field, true)} | null | undefined;`,
    );
    const single = !field.map && !field.repeated;
    const nullable = single && (field.hasPresence || field.resolvedType instanceof protobuf.Type);
    decoded.push(
      ...docOf(field, inner),
      `${inner}${field.name}: ${propertyTypeOf(field, false)}${nullable ? ' | null' : ''};`,
    );
  }
  for (const oneof of type.oneofsArray) {
    if (oneof.isProto3Optional) continue;
    const members = oneof.oneof.map((name) => `'${name}'`).join(' | ');
    decoded.push(
      `${inner}/** Which member of the oneof is set. */`,
      `${inner}readonly ${oneof.name}: ${members} | undefined;`,
    );
  }
  const unknowns = `${inner}$unknowns?: Uint8Array[] | undefined;`;
  return [
    ...docOf(type, indent),
    `${indent}interface I${type.name} {`,
    ...input,
    unknowns,
    `${indent}}`,
    ...docOf(type, indent),
    `${indent}class ${type.name} {`,
    `${inner}static readonly typeName: '${fullNameOf(type)}';`,
    `${inner}static encode(message: I${type.name}, writer?: $Writer): $Writer;`,
    `${inner}static decode(bytes: Uint8Array): ${type.name};`,
    `${inner}static create(properties?: I${type.name}): ${type.name};`,
    `${inner}private constructor();`,
    ...decoded,
    unknowns,
    `${indent}}`,
  ];
}

function declareNamespace(namespace, indent) {
  const lines = [];
  for (const object of namespace.nestedArray) {
    if (object instanceof protobuf.Service) continue;
    if (object instanceof protobuf.Enum) lines.push(...declareEnum(object, indent));
    if (object instanceof protobuf.Type) lines.push(...declareMessage(object, indent));
    if (!(object.nestedArray?.length > 0)) continue;
    lines.push(
      `${indent}namespace ${object.name} {`,
      ...declareNamespace(object, `${indent}  `),
      `${indent}}`,
    );
  }
  return lines;
}

/** The TypeScript declarations of the generated module: an input interface and a decoded class for each message. */
export function declare(root) {
  const lines = [
    '/** What a message is encoded into; `finish` gives its bytes. */',
    'export interface $Writer {',
    '  finish(): Buffer;',
    '}',
    '',
  ];
  for (const namespace of root.nestedArray)
    lines.push(`export namespace ${namespace.name} {`, ...declareNamespace(namespace, '  '), '}');
  return `${lines.join('\n')}\n`;
}
