import type { google } from '../gen/protos.js';
import { messageType, typeNameOf, type MessageType } from './message-type.js';

const urlPrefix = 'type.googleapis.com/';

/** An `Any` ready for encoding. */
export interface PackedAny {
  typeUrl: string;
  value: Uint8Array;
}

/** The type URL of a message class. */
export function typeUrlOf(type: Pick<MessageType, 'typeName'>): string {
  return urlPrefix + type.typeName;
}

/**
 * Packs a message into an `Any`.
 *
 * Errors: throws for the name of a type that we do not have; give the class where it is known.
 */
export function packAny<Input extends object>(type: MessageType<object, Input>, message: Input): PackedAny;
export function packAny(typeUrl: string, message: object): PackedAny;
export function packAny(typeOrUrl: MessageType | string, message: object): PackedAny {
  const type = typeof typeOrUrl === 'string' ? messageType(typeOrUrl) : typeOrUrl;
  if (type === undefined) throw new TypeError(`unknown message type ${String(typeOrUrl)}`);
  return { typeUrl: typeUrlOf(type), value: type.encode(message).finish() };
}

/**
 * Decodes what is in an `Any`.
 *
 * Shape: with `type`, that type's message, or undefined when the `Any` holds another one; without, a message of
 * whichever of our types it holds, or undefined when we do not have it.
 * Errors: throws for malformed bytes, as `decode` does.
 */
export function unpackAny<Decoded extends object>(
  any: google.protobuf.IAny | null | undefined,
  type: MessageType<Decoded>,
): Decoded | undefined;
export function unpackAny(any: google.protobuf.IAny | null | undefined): object | undefined;
export function unpackAny(
  any: google.protobuf.IAny | null | undefined,
  wanted?: MessageType,
): object | undefined {
  const typeUrl = any?.typeUrl;
  if (typeUrl === null || typeUrl === undefined || typeUrl === '') return undefined;
  if (wanted !== undefined && typeNameOf(typeUrl) !== wanted.typeName) return undefined;
  const type = wanted ?? messageType(typeUrl);
  return type?.decode(any?.value ?? new Uint8Array(0));
}
