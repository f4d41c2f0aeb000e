import type * as NodeTls from 'node:tls';

let loaded: typeof NodeTls | undefined;

/** Node's TLS, loaded when the first context is made: a proxy without TLS never pays for it. */
export function nodeTls(): typeof NodeTls {
  loaded ??= process.getBuiltinModule('node:tls');
  return loaded;
}
