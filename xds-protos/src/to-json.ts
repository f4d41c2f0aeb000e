import {
  enumDescriptorAt,
  messageDescriptor,
  messageDescriptorAt,
  type FieldDescriptor,
  type MessageDescriptor,
} from './descriptors.js';
import { messageType, typeNameOf, type MessageType } from './message-type.js';
import { hasOwnJsonForm } from './well-known-forms.js';
import { formatDuration, formatFieldMask, formatTimestamp } from './well-known-text.js';

/** What JSON can hold. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };

export interface ToJsonOptions {
  /** Names as in the protos (snake_case, the default, as Envoy's admin prints), or ProtoJSON's lowerCamelCase. */
  readonly preserveProtoFieldNames?: boolean;
}

type Fields = Readonly<Record<string, unknown>>;
type JsonObject = { [name: string]: JsonValue };

/** From here on what is in an `Any` is no longer decoded. */
const deepestAny = 100;
/** No decoded message is deeper: an `Any` at the limit, and the codecs' own limit inside it. */
const deepest = 300;

function setOwn(target: JsonObject, name: string, value: JsonValue): void {
  if (name === '__proto__')
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  else target[name] = value;
}

function base64(value: unknown): string {
  if (!(value instanceof Uint8Array)) return '';
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
}

function isSet(field: FieldDescriptor, message: Fields): boolean {
  const value = message[field.property];
  if (value === null || value === undefined || !Object.hasOwn(message, field.property)) return false;
  if (field.label === '*') return (value as unknown[]).length > 0;
  if (field.label === '%') return Object.keys(value).length > 0;
  if (field.label === '?') return true;
  if (field.kind === 'b') return (value as Uint8Array).length > 0;
  return value !== '' && value !== false && !Object.is(value, 0);
}

/** One writing of one message: the names to use. */
class JsonWriter {
  readonly #protoNames: boolean;

  constructor(options: ToJsonOptions) {
    this.#protoNames = options.preserveProtoFieldNames ?? true;
  }

  message(descriptor: MessageDescriptor, message: Fields, depth: number): JsonValue {
    if (depth > deepest) throw new RangeError(`a message nested deeper than ${deepest} levels`);
    const seconds = () => ({
      seconds: Number(message['seconds'] ?? 0),
      nanos: Number(message['nanos'] ?? 0),
    });
    switch (descriptor.typeName) {
      case 'google.protobuf.Any':
        return this.#any(message, depth);
      case 'google.protobuf.Duration':
        return formatDuration(seconds());
      case 'google.protobuf.Timestamp':
        return formatTimestamp(seconds());
      case 'google.protobuf.FieldMask':
        return formatFieldMask((message['paths'] ?? []) as string[]);
      case 'google.protobuf.Struct':
        return this.#struct(message, depth);
      case 'google.protobuf.ListValue':
        return this.#list(message, depth);
      case 'google.protobuf.Value':
        return this.#value(message, depth);
    }
    if (hasOwnJsonForm(descriptor.typeName)) return this.#wrapper(descriptor, message);
    const json: JsonObject = {};
    for (const field of descriptor.fields)
      if (isSet(field, message))
        json[this.#protoNames ? field.protoName : field.jsonName] = this.#field(
          field,
          message[field.property],
          depth,
        );
    return json;
  }

  #field(field: FieldDescriptor, value: unknown, depth: number): JsonValue {
    if (field.label === '*')
      return (value as unknown[]).map((element) => this.#single(field, element, depth));
    if (field.label !== '%') return this.#single(field, value, depth);
    const json: JsonObject = {};
    for (const [key, element] of Object.entries(value as Fields))
      setOwn(json, key, this.#single(field, element, depth));
    return json;
  }

  #single(field: FieldDescriptor, value: unknown, depth: number): JsonValue {
    switch (field.kind) {
      case 'm':
        return this.message(messageDescriptorAt(field.typeIndex), value as Fields, depth + 1);
      case 'e': {
        const descriptor = enumDescriptorAt(field.typeIndex);
        if (descriptor.typeName === 'google.protobuf.NullValue') return null;
        return descriptor.nameOf.get(value as number) ?? (value as number);
      }
      case 'I':
      case 'U':
        return String(value);
      case 'd':
      case 'f':
        return Number.isFinite(value) ? (value as number) : String(value);
      case 'b':
      case 'x':
        return base64(value);
      default:
        return value as JsonValue;
    }
  }

  #wrapper(descriptor: MessageDescriptor, message: Fields): JsonValue {
    const field = descriptor.fields[0];
    if (field === undefined) return {};
    const zero = field.kind === 's' ? '' : field.kind === 't' ? false : 0;
    return this.#single(field, message['value'] ?? zero, 0);
  }

  #any(message: Fields, depth: number): JsonValue {
    const typeUrl = message['typeUrl'];
    if (typeof typeUrl !== 'string' || typeUrl === '') return {};
    const bytes = message['value'] instanceof Uint8Array ? message['value'] : new Uint8Array(0);
    const typeName = typeNameOf(typeUrl);
    const descriptor = messageDescriptor(typeName);
    const inner = depth < deepestAny ? decodeOrNothing(messageType(typeName), bytes) : undefined;
    if (descriptor === undefined || inner === undefined) return { '@type': typeUrl, value: base64(bytes) };
    const value = this.message(descriptor, inner as Fields, depth + 1);
    if (hasOwnJsonForm(typeName)) return { '@type': typeUrl, value };
    return { '@type': typeUrl, ...(value as JsonObject) };
  }

  #struct(message: Fields, depth: number): JsonValue {
    const json: JsonObject = {};
    for (const [key, value] of Object.entries((message['fields'] ?? {}) as Record<string, Fields>))
      setOwn(json, key, this.#value(value, depth + 1));
    return json;
  }

  #list(message: Fields, depth: number): JsonValue {
    return ((message['values'] ?? []) as Fields[]).map((value) => this.#value(value, depth + 1));
  }

  #value(message: Fields, depth: number): JsonValue {
    if (depth > deepest) throw new RangeError(`a message nested deeper than ${deepest} levels`);
    const number = message['numberValue'];
    if (typeof number === 'number') return Number.isFinite(number) ? number : String(number);
    if (typeof message['stringValue'] === 'string') return message['stringValue'];
    if (typeof message['boolValue'] === 'boolean') return message['boolValue'];
    const nested = message['structValue'] ?? message['listValue'];
    if (nested === null || nested === undefined) return null;
    return nested === message['structValue']
      ? this.#struct(nested as Fields, depth + 1)
      : this.#list(nested as Fields, depth + 1);
  }
}

function decodeOrNothing(type: MessageType | undefined, bytes: Uint8Array): object | undefined {
  try {
    return type?.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Writes a message as JSON: a decoded one, or a plain object as `encode` takes it.
 *
 * An `Any` of a type that we do not have, or that cannot be decoded, becomes `{ "@type", "value": base64 }`; so do
 * the bytes of a message that we leave out; unknown fields are not written (see `unknownFieldsOf`).
 * Errors: throws for a type that is not ours, and for a plain object that contains itself.
 */
export function toJson(
  typeOrName: Pick<MessageType, 'typeName'> | string,
  message: object,
  options: ToJsonOptions = {},
): JsonValue {
  const typeName = typeof typeOrName === 'string' ? typeNameOf(typeOrName) : typeOrName.typeName;
  const descriptor = messageDescriptor(typeName);
  if (descriptor === undefined) throw new TypeError(`unknown message type ${typeName}`);
  return new JsonWriter(options).message(descriptor, message as Fields, 0);
}
