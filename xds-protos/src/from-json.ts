import {
  enumDescriptorAt,
  messageDescriptor,
  messageDescriptorAt,
  messageNames,
  type FieldDescriptor,
  type MessageDescriptor,
} from './descriptors.js';
import { addProblem, memberPath, shown, type ProtoProblem } from './json-problem.js';
import { parseScalar } from './json-scalar.js';
import { instantiate, messageType, typeNameOf, type MessageType } from './message-type.js';
import { suggestionFor } from './suggestion.js';
import { hasOwnJsonForm, isWrapper } from './well-known-forms.js';
import { parseDuration, parseFieldMask, parseTimestamp, type SecondsAndNanos } from './well-known-text.js';

type JsonObject = Record<string, unknown>;
type Message = Record<string, unknown>;

/** As many messages may nest as the codecs allow. */
const deepest = 100;

function isObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function hint(word: string, known: Iterable<string>): string {
  const suggestion = suggestionFor(word, known);
  return suggestion === undefined ? '' : `; did you mean ${suggestion}?`;
}

/** Sets an own property, whatever its name. */
function setOwn(target: Message, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  else target[name] = value;
}

/** One reading of one JSON value: where its problems go. */
class JsonReader {
  readonly #problems: ProtoProblem[];

  constructor(problems: ProtoProblem[]) {
    this.#problems = problems;
  }

  #problem(path: string, message: string): undefined {
    addProblem(this.#problems, path, message);
    return undefined;
  }

  /** Reads a message; undefined when nothing of it could be read. */
  message(descriptor: MessageDescriptor, json: unknown, path: string, depth: number): Message | undefined {
    if (depth > deepest) return this.#problem(path, `nested too deeply: more than ${deepest} levels`);
    const { typeName } = descriptor;
    if (isWrapper(typeName)) return this.#wrapper(descriptor, json, path);
    switch (typeName) {
      case 'google.protobuf.Any':
        return this.#any(json, path, depth);
      case 'google.protobuf.Duration':
        return this.#text(typeName, json, path, parseDuration);
      case 'google.protobuf.Timestamp':
        return this.#text(typeName, json, path, parseTimestamp);
      case 'google.protobuf.FieldMask':
        return this.#text(typeName, json, path, (text) => {
          const paths = parseFieldMask(text);
          return typeof paths === 'string' ? paths : { paths };
        });
      case 'google.protobuf.Struct':
        return this.#struct(json, path, depth);
      case 'google.protobuf.Value':
        return this.#value(json, path, depth);
      case 'google.protobuf.ListValue':
        return this.#list(json, path, depth);
      default:
        return this.#fields(descriptor, json, path, depth);
    }
  }

  #new(typeName: string): Message {
    const type = messageType(typeName);
    if (type === undefined) throw new TypeError(`no class for ${typeName}`);
    return instantiate(type);
  }

  #fields(descriptor: MessageDescriptor, json: unknown, path: string, depth: number): Message | undefined {
    if (!isObject(json)) return this.#problem(path, `expected an object, found ${shown(json)}`);
    const message = this.#new(descriptor.typeName);
    const seen = new Set<FieldDescriptor>();
    const memberOf = new Map<string, string>();
    for (const [name, value] of Object.entries(json)) {
      const memberAt = memberPath(path, name);
      const field = descriptor.fieldOf.get(name);
      if (field === undefined) {
        const known = descriptor.fields.map((known) =>
          /[A-Z]/.test(name) ? known.jsonName : known.protoName,
        );
        this.#problem(memberAt, `unknown field of ${descriptor.typeName}${hint(name, known)}`);
        continue;
      }
      if (seen.has(field)) {
        this.#problem(memberAt, `set twice: as ${field.protoName} and as ${field.jsonName}`);
        continue;
      }
      seen.add(field);
      if (value === undefined || (value === null && !this.#takesNull(field))) continue;
      if (field.oneof !== undefined) {
        const other = memberOf.get(field.oneof);
        if (other !== undefined) {
          this.#problem(memberAt, `only one of ${field.oneof} may be set, and ${other} is already`);
          continue;
        }
        memberOf.set(field.oneof, name);
      }
      const read = this.#field(field, value, memberAt, depth);
      if (read !== undefined) message[field.property] = read;
    }
    return message;
  }

  #takesNull(field: FieldDescriptor): boolean {
    if (field.kind === 'm') return messageDescriptorAt(field.typeIndex).typeName === 'google.protobuf.Value';
    return field.kind === 'e' && enumDescriptorAt(field.typeIndex).typeName === 'google.protobuf.NullValue';
  }

  /** Reads a field; undefined when it could not be read, or is a default that is not kept. */
  #field(field: FieldDescriptor, json: unknown, path: string, depth: number): unknown {
    if (field.label === '*') return this.#repeated(field, json, path, depth);
    if (field.label === '%') return this.#map(field, json, path, depth);
    const value = this.#single(field, json, path, depth);
    if (field.label === '?' || typeof value === 'object') return value;
    return value === '' || value === false || Object.is(value, 0) ? undefined : value;
  }

  #repeated(field: FieldDescriptor, json: unknown, path: string, depth: number): unknown {
    if (!Array.isArray(json)) return this.#problem(path, `expected a list, found ${shown(json)}`);
    const values: unknown[] = [];
    for (const [index, element] of (json as readonly unknown[]).entries()) {
      const value = this.#single(field, element, `${path}[${index}]`, depth);
      if (value !== undefined) values.push(value);
    }
    return values;
  }

  #map(field: FieldDescriptor, json: unknown, path: string, depth: number): unknown {
    if (!isObject(json)) return this.#problem(path, `expected an object, found ${shown(json)}`);
    const values: Message = {};
    for (const [key, element] of Object.entries(json)) {
      const at = memberPath(path, key);
      if (parseScalar('s', key).value === undefined) {
        this.#problem(at, 'the key is not well-formed Unicode');
        continue;
      }
      const value = this.#single(field, element, at, depth);
      if (value !== undefined) setOwn(values, key, value);
    }
    return values;
  }

  #single(field: FieldDescriptor, json: unknown, path: string, depth: number): unknown {
    switch (field.kind) {
      case 'm':
        return this.message(messageDescriptorAt(field.typeIndex), json, path, depth + 1);
      case 'e':
        return this.#enum(field, json, path);
      case 'x':
        return this.#problem(path, `not supported: ${field.protoName} (${field.leftOut})`);
      default: {
        const { value, problem } = parseScalar(field.kind, json);
        return problem === undefined ? value : this.#problem(path, problem);
      }
    }
  }

  #enum(field: FieldDescriptor, json: unknown, path: string): number | undefined {
    const descriptor = enumDescriptorAt(field.typeIndex);
    if (json === null && descriptor.typeName === 'google.protobuf.NullValue') return 0;
    if (typeof json === 'number') {
      if ((json | 0) === json) return json;
      return this.#problem(path, `${json} is not a number of ${descriptor.typeName}`);
    }
    if (typeof json !== 'string')
      return this.#problem(path, `expected a name of ${descriptor.typeName}, found ${shown(json)}`);
    const number = descriptor.numberOf.get(json);
    if (number !== undefined) return number;
    const names = [...descriptor.numberOf.keys()];
    const known = names.length <= 12 ? `; expected ${names.join(', ')}` : '';
    return this.#problem(
      path,
      `${shown(json)} is not in ${descriptor.typeName}${hint(json, names) || known}`,
    );
  }

  #wrapper(descriptor: MessageDescriptor, json: unknown, path: string): Message | undefined {
    const field = descriptor.fields[0];
    if (field === undefined) throw new TypeError(`${descriptor.typeName} has no field`);
    const before = this.#problems.length;
    const value = this.#field(field, json, path, 0);
    if (this.#problems.length > before) return undefined;
    const message = this.#new(descriptor.typeName);
    if (value !== undefined) message['value'] = value;
    return message;
  }

  #text(
    typeName: string,
    json: unknown,
    path: string,
    parse: (text: string) => SecondsAndNanos | { readonly paths: string[] } | string,
  ): Message | undefined {
    if (typeof json !== 'string')
      return this.#problem(path, `expected a ${kindOf(typeName)}, found ${shown(json)}`);
    const parsed = parse(json);
    if (typeof parsed === 'string') return this.#problem(path, `${parsed}, found ${shown(json)}`);
    const message = this.#new(typeName);
    for (const [name, value] of Object.entries(parsed)) if (value !== 0) message[name] = value;
    return message;
  }

  #any(json: unknown, path: string, depth: number): Message | undefined {
    if (!isObject(json)) return this.#problem(path, `expected an object with @type, found ${shown(json)}`);
    const { '@type': typeUrl, ...body } = json;
    if (typeUrl === undefined) {
      if (Object.keys(body).length === 0) return this.#new('google.protobuf.Any');
      return this.#problem(path, '@type is missing: the URL of the message that stands here');
    }
    const typeAt = memberPath(path, '@type');
    if (typeof typeUrl !== 'string')
      return this.#problem(typeAt, `expected a string, found ${shown(typeUrl)}`);
    if (!typeUrl.includes('/'))
      return this.#problem(typeAt, `expected a URL such as type.googleapis.com/${typeUrl || 'envoy.Type'}`);
    const typeName = typeNameOf(typeUrl);
    const descriptor = messageDescriptor(typeName);
    const type = messageType(typeName);
    if (descriptor === undefined || type === undefined)
      return this.#problem(
        typeAt,
        `unknown message type ${JSON.stringify(typeName.slice(0, 200))}${hint(typeName, messageNames())}`,
      );
    const inner = hasOwnJsonForm(typeName)
      ? this.#anyValue(descriptor, body, path, depth)
      : this.message(descriptor, body, path, depth + 1);
    if (inner === undefined) return undefined;
    const any = this.#new('google.protobuf.Any');
    any['typeUrl'] = typeUrl;
    const value = type.encode(inner).finish();
    if (value.length > 0) any['value'] = value;
    return any;
  }

  #anyValue(
    descriptor: MessageDescriptor,
    body: JsonObject,
    path: string,
    depth: number,
  ): Message | undefined {
    for (const name of Object.keys(body))
      if (name !== 'value')
        this.#problem(memberPath(path, name), `unknown: ${descriptor.typeName} stands under value`);
    const at = memberPath(path, 'value');
    if (body['value'] === undefined) return this.#problem(at, `missing: the ${descriptor.typeName}`);
    return this.message(descriptor, body['value'], at, depth + 1);
  }

  #struct(json: unknown, path: string, depth: number): Message | undefined {
    if (!isObject(json)) return this.#problem(path, `expected an object, found ${shown(json)}`);
    const struct = this.#new('google.protobuf.Struct');
    const fields: Message = {};
    for (const [key, element] of Object.entries(json)) {
      const at = memberPath(path, key);
      if (parseScalar('s', key).value === undefined) this.#problem(at, 'the key is not well-formed Unicode');
      else {
        const value = this.#value(element, at, depth + 1);
        if (value !== undefined) setOwn(fields, key, value);
      }
    }
    struct['fields'] = fields;
    return struct;
  }

  #list(json: unknown, path: string, depth: number): Message | undefined {
    if (!Array.isArray(json)) return this.#problem(path, `expected a list, found ${shown(json)}`);
    const list = this.#new('google.protobuf.ListValue');
    const values = (json as readonly unknown[]).map((element, index) =>
      this.#value(element, `${path}[${index}]`, depth + 1),
    );
    list['values'] = values.filter((value) => value !== undefined);
    return list;
  }

  #value(json: unknown, path: string, depth: number): Message | undefined {
    if (depth >= deepest) return this.#problem(path, `nested too deeply: more than ${deepest} levels`);
    const value = this.#new('google.protobuf.Value');
    if (json === null) value['nullValue'] = 0;
    else if (typeof json === 'boolean') value['boolValue'] = json;
    else if (typeof json === 'number') {
      if (!Number.isFinite(json)) return this.#problem(path, `expected a finite number, found ${json}`);
      value['numberValue'] = json;
    } else if (typeof json === 'string') {
      const { problem } = parseScalar('s', json);
      if (problem !== undefined) return this.#problem(path, problem);
      value['stringValue'] = json;
    } else if (Array.isArray(json)) value['listValue'] = this.#list(json, path, depth + 1);
    else if (isObject(json)) value['structValue'] = this.#struct(json, path, depth + 1);
    else return this.#problem(path, `expected a JSON value, found ${shown(json)}`);
    return value;
  }
}

function kindOf(typeName: string): string {
  switch (typeName) {
    case 'google.protobuf.Duration':
      return 'duration such as "1.5s"';
    case 'google.protobuf.Timestamp':
      return 'time such as "2026-01-31T12:00:00Z"';
    default:
      return 'string';
  }
}

/**
 * Reads a message from parsed JSON or YAML, in Envoy's snake_case names or ProtoJSON's lowerCamelCase.
 *
 * Shape: what could be read, as `decode` would give it; it is complete when `problems` did not grow.
 * Errors: every problem goes to `problems` with its path (unknown names with a suggestion, wrong types, values out of
 * range, a oneof set twice, fields of messages that we leave out); after a thousand one more says that there are more.
 */
export function fromJson<Decoded extends object>(
  type: MessageType<Decoded>,
  json: unknown,
  problems: ProtoProblem[],
): Decoded;
export function fromJson(typeName: string, json: unknown, problems: ProtoProblem[]): object | undefined;
export function fromJson(
  typeOrName: MessageType | string,
  json: unknown,
  problems: ProtoProblem[],
): object | undefined {
  const typeName = typeof typeOrName === 'string' ? typeNameOf(typeOrName) : typeOrName.typeName;
  const descriptor = messageDescriptor(typeName);
  if (descriptor === undefined) {
    addProblem(problems, '', `unknown message type ${JSON.stringify(typeName.slice(0, 200))}`);
    return undefined;
  }
  const message = new JsonReader(problems).message(descriptor, json, '', 0);
  if (message !== undefined || typeof typeOrName === 'string') return message;
  return instantiate(typeOrName);
}
