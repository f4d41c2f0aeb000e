import * as protos from '../gen/protos.js';

/**
 * A generated message class, such as `envoy.config.core.v3.Node`.
 *
 * Shape: `Decoded` is what `decode` and `create` return, `Input` what `encode` and `create` take.
 */
export interface MessageType<Decoded extends object = object, Input extends object = object> {
  readonly typeName: string;
  encode(message: Input, writer?: protos.$Writer): protos.$Writer;
  decode(bytes: Uint8Array): Decoded;
  create(properties?: Input): Decoded;
}

/** The last part of a type URL: `type.googleapis.com/a.B` and `a.B` give `a.B`. */
export function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

/**
 * Finds the class of a message by its full name or type URL.
 *
 * Errors: undefined when there is no such message among ours; any text may be asked.
 */
export function messageType(nameOrUrl: string): MessageType | undefined {
  const name = typeNameOf(nameOrUrl);
  let found: unknown = protos;
  for (const part of name.split('.')) {
    if (found === null || (typeof found !== 'object' && typeof found !== 'function')) return undefined;
    if (!Object.hasOwn(found, part)) return undefined;
    found = (found as Record<string, unknown>)[part];
  }
  if (typeof found !== 'function') return undefined;
  const type = found as unknown as MessageType;
  return type.typeName === name ? type : undefined;
}

/** The class that a decoded message is an instance of, undefined for a plain object. */
export function typeOf(message: object): MessageType | undefined {
  const constructor: unknown = message.constructor;
  if (typeof constructor !== 'function' || !Object.hasOwn(constructor, 'typeName')) return undefined;
  return constructor as unknown as MessageType;
}

/** An empty instance, without the detour over bytes that `create` takes. */
export function instantiate(type: MessageType): Record<string, unknown> {
  return Reflect.construct(type as unknown as new () => object, []) as Record<string, unknown>;
}
