import { unpackAny, type google, type MessageType } from '@heddle/xds-protos';
import type { Findings } from './findings.js';

/** The message type's name in a type URL. */
export function typeNameOfUrl(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

/**
 * Decodes an `Any` as `type`, reporting unknown fields: all of them are problems when it is `decisive`.
 *
 * Errors: a problem when the bytes are malformed or the `Any` holds another type.
 */
export function unpackAs<T extends object>(
  any: google.protobuf.Any,
  type: MessageType<T>,
  path: string,
  findings: Findings,
  decisive = false,
): T | undefined {
  return decoded(path, findings, () => unpackAny(any, type), any.typeUrl, decisive);
}

/** The same for the bytes of an `Any` whose type is known already. */
export function decodeAs<T extends object>(
  bytes: Uint8Array,
  type: MessageType<T>,
  path: string,
  findings: Findings,
  decisive = false,
): T | undefined {
  return decoded(path, findings, () => type.decode(bytes), type.typeName, decisive);
}

function decoded<T extends object>(
  path: string,
  findings: Findings,
  decode: () => T | undefined,
  typeUrl: string,
  decisive: boolean,
): T | undefined {
  let message: T | undefined;
  try {
    message = decode();
  } catch (error) {
    findings.problem(
      path,
      `malformed ${typeNameOfUrl(typeUrl)}: ${error instanceof Error ? error.message : 'unreadable'}`,
    );
    return undefined;
  }
  if (message === undefined) findings.problem(path, `unexpected type ${JSON.stringify(typeUrl)}`);
  else findings.unknownFields(message, path, decisive);
  return message;
}
