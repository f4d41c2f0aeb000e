import { WireReader } from './wire-reader.js';
import { WireWriter } from './wire-writer.js';

/** The set member of a oneof, by the names of its members. */
function oneOfGetter(names: readonly string[]): (this: Record<string, unknown>) => string | undefined {
  return function get() {
    for (let index = names.length - 1; index >= 0; index--) {
      const name = names[index] as string;
      const value = Object.hasOwn(this, name) ? this[name] : undefined;
      if (value !== undefined && value !== null) return name;
    }
    return undefined;
  };
}

/** Clears the members of a oneof but the one named. */
function oneOfSetter(names: readonly string[]): (this: Record<string, unknown>, name: string) => void {
  return function set(name) {
    for (const other of names) if (other !== name) Reflect.deleteProperty(this, other);
  };
}

/** Gives an object an own property, whatever its name. */
function makeProp(target: object, name: string, enumerable = true): void {
  if (Object.hasOwn(target, name)) return;
  Object.defineProperty(target, name, { enumerable, configurable: true, writable: true });
}

/**
 * What the code that protobufjs-cli generates needs at run time, in place of protobufjs itself.
 *
 * Without `Long`, so that 64-bit integers are numbers.
 */
export default {
  Reader: WireReader,
  Writer: WireWriter,
  util: {
    Long: null,
    emptyArray: Object.freeze([]),
    emptyObject: Object.freeze({}),
    global: globalThis,
    makeProp,
    newBuffer: (bytes: readonly number[]): Buffer => Buffer.from(bytes),
    oneOfGetter,
    oneOfSetter,
    recursionLimit: WireReader.recursionLimit,
  },
  roots: {} as Record<string, object>,
};
