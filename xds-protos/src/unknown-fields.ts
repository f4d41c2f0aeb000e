import { messageDescriptor, messageDescriptorAt, type MessageDescriptor } from './descriptors.js';
import { memberPath } from './json-problem.js';
import { typeOf } from './message-type.js';

/** A field on the wire that our protos do not have. */
export interface UnknownField {
  /** The message that carries it, in proto names; empty for the message asked about. */
  readonly path: string;
  /** Its field number. */
  readonly tag: number;
}

export interface UnknownFieldsOptions {
  /** How many are listed at most; default 100. */
  readonly limit?: number;
}

/** As deep as the codecs decode. */
const deepest = 100;

/** The field number that kept bytes begin with. */
function tagOf(bytes: Uint8Array): number {
  let key = 0;
  for (let index = 0; index < Math.min(5, bytes.length); index++) {
    const byte = bytes[index] ?? 0;
    key += (byte & 127) * 2 ** (7 * index);
    if (byte < 128) break;
  }
  return Math.floor(key / 8);
}

function collect(
  descriptor: MessageDescriptor,
  message: Readonly<Record<string, unknown>>,
  path: string,
  depth: number,
  found: UnknownField[],
  limit: number,
): void {
  const kept = message['$unknowns'];
  if (Array.isArray(kept))
    for (const bytes of kept as Uint8Array[])
      if (found.length < limit) found.push({ path, tag: tagOf(bytes) });
  if (depth >= deepest) return;
  for (const field of descriptor.fields) {
    if (found.length >= limit) return;
    const value = message[field.property];
    if (field.kind !== 'm' || value === null || value === undefined) continue;
    const inner = messageDescriptorAt(field.typeIndex);
    const at = memberPath(path, field.protoName);
    const visit = (element: unknown, elementAt: string) => {
      if (found.length < limit)
        collect(inner, element as Record<string, unknown>, elementAt, depth + 1, found, limit);
    };
    if (Array.isArray(value))
      for (const [index, element] of value.entries()) visit(element, `${at}[${index}]`);
    else if (field.label === '%')
      for (const [key, element] of Object.entries(value)) visit(element, memberPath(at, key));
    else visit(value, at);
  }
}

/**
 * Lists the unknown fields of a decoded message and of the messages in it; not of what an `Any` in it holds.
 *
 * Shape: bounded by `limit`. Empty for a plain object, which was never decoded.
 */
export function unknownFieldsOf(message: object, options: UnknownFieldsOptions = {}): UnknownField[] {
  const descriptor = messageDescriptor(typeOf(message)?.typeName ?? '');
  const found: UnknownField[] = [];
  if (descriptor !== undefined)
    collect(descriptor, message as Record<string, unknown>, '', 0, found, options.limit ?? 100);
  return found;
}
