import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The real Envoy, or why there is none here: HEDDLE_ENVOY, what `bench/fetch-peers.mjs` fetched, or PATH. */
export function findEnvoy(): { readonly path: string } | { readonly missing: string } {
  const named = process.env['HEDDLE_ENVOY'];
  const fetched = fileURLToPath(new URL('../../../bench/peers/envoy', import.meta.url));
  for (const path of [named, fetched, 'envoy']) {
    if (path === undefined || path === '' || (path !== 'envoy' && !existsSync(path))) continue;
    try {
      execFileSync(path, ['--version'], { stdio: 'ignore' });
      return { path };
    } catch {
      // Not one that runs here.
    }
  }
  return { missing: 'no Envoy here: set HEDDLE_ENVOY or run node bench/fetch-peers.mjs' };
}
