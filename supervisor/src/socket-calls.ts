import { createRequire } from 'node:module';
import type { Server, Socket } from 'node:net';

/** Calls of the system as its manual has them; `getsockopt` has the length in a buffer. -1 is a failure, of which nothing is told. */
export interface SocketCalls {
  readonly openSocket: (family: number, type: number, protocol: number) => number;
  readonly bindSocket: (descriptor: number, address: Buffer, length: number) => number;
  readonly closeSocket: (descriptor: number) => number;
  readonly duplicate: (descriptor: number) => number;
  readonly getSocketOption: (
    descriptor: number,
    level: number,
    name: number,
    value: Buffer,
    length: Buffer,
  ) => number;
  readonly setSocketOption: (
    descriptor: number,
    level: number,
    name: number,
    value: Buffer,
    length: number,
  ) => number;
}

let loaded: SocketCalls | { readonly reason: string } | undefined;

/**
 * What Node itself does not offer of the system's sockets: by its own `node:ffi` where it has it (26), else by the package koffi.
 * Nothing is loaded before this is called. Shape: the calls, or why they cannot be had.
 */
export function socketCalls(): SocketCalls | { readonly reason: string } {
  return (loaded ??= load());
}

/** The descriptor of an open socket; undefined when it is closed, or none of this platform. */
export function descriptorOf(socket: Socket | Server): number | undefined {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: number } | null };
  const descriptor = handle?.fd ?? -1;
  return descriptor < 0 ? undefined : descriptor;
}

/** Both libraries crash the process on a wrong signature, so this is the only place that has any. */
function load(): SocketCalls | { readonly reason: string } {
  if (process.platform !== 'linux') return { reason: `${process.platform} has none of these calls` };
  try {
    const ffi = builtinFfi();
    if (ffi !== undefined) {
      const { functions } = ffi.dlopen('libc.so.6', {
        getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
        setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'], return: 'i32' },
        socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
        bind: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
        close: { arguments: ['i32'], return: 'i32' },
        dup: { arguments: ['i32'], return: 'i32' },
      });
      return {
        getSocketOption: functions.getsockopt,
        setSocketOption: functions.setsockopt,
        openSocket: functions.socket,
        bindSocket: functions.bind,
        closeSocket: functions.close,
        duplicate: functions.dup,
      };
    }
  } catch {
    // Turned off, or not permitted: the package may still be.
  }
  try {
    const libc = (createRequire(import.meta.url)('koffi') as Koffi).load(null);
    return {
      getSocketOption: libc.func('int getsockopt(int, int, int, void *, void *)'),
      setSocketOption: libc.func('int setsockopt(int, int, int, void *, unsigned int)'),
      openSocket: libc.func('int socket(int, int, int)'),
      bindSocket: libc.func('int bind(int, void *, unsigned int)'),
      closeSocket: libc.func('int close(int)'),
      duplicate: libc.func('int dup(int)'),
    };
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    return { reason: `neither node:ffi nor the package koffi can be used on this Node (${why})` };
  }
}

interface Signature {
  readonly arguments: readonly string[];
  readonly return: string;
}

interface BuiltinFfi {
  dlopen(
    library: string,
    symbols: Readonly<Record<'getsockopt' | 'setsockopt' | 'socket' | 'bind' | 'close' | 'dup', Signature>>,
  ): {
    readonly functions: {
      readonly getsockopt: SocketCalls['getSocketOption'];
      readonly setsockopt: SocketCalls['setSocketOption'];
      readonly socket: SocketCalls['openSocket'];
      readonly bind: SocketCalls['bindSocket'];
      readonly close: SocketCalls['closeSocket'];
      readonly dup: SocketCalls['duplicate'];
    };
  };
}

interface Koffi {
  load(library: null): { func<T>(signature: string): T };
}

function builtinFfi(): BuiltinFfi | undefined {
  const load = (process as { getBuiltinModule?: (name: string) => unknown }).getBuiltinModule;
  return load?.('node:ffi') as BuiltinFfi | undefined;
}
