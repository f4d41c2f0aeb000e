import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Client and server of grpc-go's interoperability tests, or why there are none here: what `bench/fetch-peers.mjs` built. */
export function findGrpcInterop():
  { readonly client: string; readonly server: string } | { readonly missing: string } {
  const [client, server] = ['client', 'server'].map((name) =>
    fileURLToPath(new URL(`../../../bench/peers/grpc-interop-${name}`, import.meta.url)),
  ) as [string, string];
  if (existsSync(client) && existsSync(server)) return { client, server };
  return {
    missing: 'no grpc-go interop programs here: run node bench/fetch-peers.mjs grpc-interop, which needs Go',
  };
}
