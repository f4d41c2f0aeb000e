import protobuf from 'protobufjs';
import { leftOutTypeOf } from './load-protos.mjs';

const kinds = {
  double: 'd',
  float: 'f',
  int32: 'i',
  sint32: 'i',
  sfixed32: 'i',
  uint32: 'u',
  fixed32: 'u',
  int64: 'I',
  sint64: 'I',
  sfixed64: 'I',
  uint64: 'U',
  fixed64: 'U',
  bool: 't',
  string: 's',
  bytes: 'b',
};

/** The name that ProtoJSON gives a field: each underscore goes and the letter behind it becomes a capital. */
function jsonNameOf(protoName) {
  return protoName.replace(/_+(.?)/g, (_match, letter) => letter.toUpperCase());
}

function fieldText(field, indexOf) {
  const leftOut = leftOutTypeOf(field);
  const resolved = field.resolvedType;
  let kind = kinds[field.type];
  if (leftOut !== undefined) kind = `x${leftOut}`;
  else if (resolved instanceof protobuf.Enum) kind = `e${indexOf.get(resolved)}`;
  else if (resolved instanceof protobuf.Type) kind = `m${indexOf.get(resolved)}`;
  if (kind === undefined) throw new Error(`${field.fullName}: no kind for ${field.type}`);
  if (field.map && field.keyType !== 'string')
    throw new Error(`${field.fullName}: only string keys are supported`);
  const label = field.map ? '%' : field.repeated ? '*' : field.hasPresence ? '?' : '';
  const parts = [field.protoName, label + kind];
  if (field.partOf && !field.partOf.isProto3Optional)
    parts.push(`@${field.partOf.name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`);
  if (field.name !== jsonNameOf(field.protoName)) parts.push(`=${field.name}`);
  return parts.join(' ');
}

/**
 * The table that the ProtoJSON mapper works from, as compact text that is parsed per message at first use.
 *
 * Shape: `messages` and `enums` are flat arrays of name, text, name, text, …; a field's text is
 * `name LABELKIND[REF] [@oneof] [=property]` with label `*` repeated, `%` map, `?` explicit presence, and kind
 * `d f i u I U t s b` (scalars), `e`/`m` + index (enum, message), `x` + name (bytes for a message left out).
 */
export function describe(root) {
  const messages = [];
  const enums = [];
  const indexOf = new Map();
  (function collect(namespace) {
    for (const object of namespace.nestedArray) {
      const list =
        object instanceof protobuf.Type ? messages : object instanceof protobuf.Enum ? enums : undefined;
      if (list !== undefined) indexOf.set(object, list.push(object) - 1);
      if (object.nestedArray) collect(object);
    }
  })(root);
  const messageTexts = messages.map((type) => [
    type.fullName.slice(1),
    type.fieldsArray.map((field) => fieldText(field, indexOf)).join(';'),
  ]);
  const enumTexts = enums.map((type) => [
    type.fullName.slice(1),
    Object.entries(type.values)
      .map(([name, number]) => `${name}=${number}`)
      .join(' '),
  ]);
  return [
    `export const messages = ${JSON.stringify(messageTexts.flat(), null, 0).replaceAll('","', '",\n"')};`,
    `export const enums = ${JSON.stringify(enumTexts.flat(), null, 0).replaceAll('","', '",\n"')};`,
    '',
  ].join('\n');
}
