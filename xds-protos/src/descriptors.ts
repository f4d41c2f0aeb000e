import { enums, messages } from '../gen/descriptors.js';

/**
 * The kind of a field's value: `d` double, `f` float, `i` int32, `u` uint32, `I` int64, `U` uint64, `t` bool,
 * `s` string, `b` bytes, `e` enum, `m` message, `x` bytes that stand for a message which we leave out.
 */
export type FieldKind = 'd' | 'f' | 'i' | 'u' | 'I' | 'U' | 't' | 's' | 'b' | 'e' | 'm' | 'x';

/** One field of a message, as the ProtoJSON mapper needs it. */
export interface FieldDescriptor {
  readonly protoName: string;
  readonly jsonName: string;
  /** Its property in the generated class. */
  readonly property: string;
  readonly kind: FieldKind;
  /** `?`: a scalar whose absence differs from its default. */
  readonly label: '' | '?' | '*' | '%';
  /** The oneof it is a member of. */
  readonly oneof: string | undefined;
  /** For kinds `e` and `m`: where its type is in the table; else 0. */
  readonly typeIndex: number;
  /** For kind `x`: the type left out; else empty. */
  readonly leftOut: string;
}

export interface MessageDescriptor {
  readonly typeName: string;
  readonly fields: readonly FieldDescriptor[];
  /** By proto name and by JSON name. */
  readonly fieldOf: ReadonlyMap<string, FieldDescriptor>;
}

export interface EnumDescriptor {
  readonly typeName: string;
  readonly numberOf: ReadonlyMap<string, number>;
  readonly nameOf: ReadonlyMap<number, string>;
}

const messageCache = new Map<number, MessageDescriptor>();
const enumCache = new Map<number, EnumDescriptor>();
let indexOfMessage: Map<string, number> | undefined;

/** protobuf's rule: each underscore goes and the letter behind it becomes a capital. */
function jsonNameOf(protoName: string): string {
  return protoName.replace(/_+(.?)/g, (_match, letter: string) => letter.toUpperCase());
}

function parseField(text: string): FieldDescriptor {
  const [protoName = '', type = '', ...rest] = text.split(' ');
  const label = /^[?*%]/.test(type) ? (type.charAt(0) as '?' | '*' | '%') : '';
  const kind = type.charAt(label.length) as FieldKind;
  const reference = type.slice(label.length + 1);
  const jsonName = jsonNameOf(protoName);
  const partWith = (mark: string) => rest.find((part) => part.startsWith(mark))?.slice(1);
  return {
    protoName,
    jsonName,
    property: partWith('=') ?? jsonName,
    kind,
    label,
    oneof: partWith('@'),
    typeIndex: kind === 'e' || kind === 'm' ? Number(reference) : 0,
    leftOut: kind === 'x' ? reference : '',
  };
}

/** The message at an index of the table. Parsed at first use: most types are never asked for. */
export function messageDescriptorAt(index: number): MessageDescriptor {
  let descriptor = messageCache.get(index);
  if (descriptor !== undefined) return descriptor;
  const text = messages[2 * index + 1] ?? '';
  const fields = text === '' ? [] : text.split(';').map(parseField);
  const fieldOf = new Map<string, FieldDescriptor>();
  for (const field of fields) fieldOf.set(field.protoName, field).set(field.jsonName, field);
  descriptor = { typeName: messages[2 * index] ?? '', fields, fieldOf };
  messageCache.set(index, descriptor);
  return descriptor;
}

/** The message of a full name, undefined when it is not ours. */
export function messageDescriptor(typeName: string): MessageDescriptor | undefined {
  if (indexOfMessage === undefined) {
    indexOfMessage = new Map();
    for (let index = 0; 2 * index < messages.length; index++)
      indexOfMessage.set(messages[2 * index] ?? '', index);
  }
  const index = indexOfMessage.get(typeName);
  return index === undefined ? undefined : messageDescriptorAt(index);
}

/** The enum at an index of the table. */
export function enumDescriptorAt(index: number): EnumDescriptor {
  let descriptor = enumCache.get(index);
  if (descriptor !== undefined) return descriptor;
  const numberOf = new Map<string, number>();
  const nameOf = new Map<number, string>();
  for (const value of (enums[2 * index + 1] ?? '').split(' ')) {
    const equals = value.indexOf('=');
    const name = value.slice(0, equals);
    const number = Number(value.slice(equals + 1));
    numberOf.set(name, number);
    if (!nameOf.has(number)) nameOf.set(number, name);
  }
  descriptor = { typeName: enums[2 * index] ?? '', numberOf, nameOf };
  enumCache.set(index, descriptor);
  return descriptor;
}

/** The names of all our messages. */
export function messageNames(): readonly string[] {
  return messages.filter((_text, index) => index % 2 === 0);
}
