import { fileURLToPath } from 'node:url';

/**
 * What Node runs heddle-proxy with, for whoever starts it.
 *
 * The young generation is bounded: V8 reads that once, before any script runs. Half of it is 16 MB by default (32 MB on newer
 * Nodes), which is filled before it is collected, however little of it is needed. Beside the default, in alternated slices:
 * 40 MB less memory on Node 26 and a fifth less CPU a request at 500 connections; 64 KB bodies cost half; nothing is slower.
 * Smaller ones (1 MB) cost a quarter more CPU at 500 connections.
 */
export const PROXY_NODE_FLAGS: readonly string[] = ['--max-semi-space-size=4'];

/**
 * The flags above, and those that only a program can give because they name a file: OpenSSL makes one session ticket a
 * handshake instead of two, which Node has no option for. A client uses one of them. Measured: 10 to 13 % less CPU for the
 * server of a full handshake, and half the messages for its client.
 *
 * Whoever has an OpenSSL configuration of their own (FIPS, an engine), by environment or flag, keeps it as it is.
 */
export function proxyNodeFlags(
  environment: Readonly<Record<string, string | undefined>>,
  otherFlags: readonly string[] = [],
): readonly string[] {
  const hasOwn =
    (environment['OPENSSL_CONF'] ?? '') !== '' ||
    [...otherFlags, environment['NODE_OPTIONS'] ?? ''].some((flag) => flag.includes('--openssl-'));
  const file = fileURLToPath(new URL('../openssl.cnf', import.meta.url));
  return hasOwn ? PROXY_NODE_FLAGS : [...PROXY_NODE_FLAGS, `--openssl-config=${file}`];
}

/**
 * The environment that heddle-proxy runs in: as it is, and with one arena of memory for each thread that serves.
 *
 * glibc makes one for each thread that V8 and libuv have, and what is freed in one of them serves no other. Beside that, in
 * alternated slices: 4 to 11 MB less, and CPU per request and handshake the same within the noise. Whoever sets MALLOC_ARENA_MAX
 * keeps it.
 */
export function proxyEnvironment<Given extends Readonly<Record<string, string | undefined>>>(
  environment: Given,
  servingThreads = 1,
): Given & { readonly MALLOC_ARENA_MAX: string } {
  return { MALLOC_ARENA_MAX: String(servingThreads), ...environment };
}
