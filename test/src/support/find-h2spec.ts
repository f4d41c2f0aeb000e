import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The program h2spec, or why there is none here: what `bench/fetch-peers.mjs` built, or PATH. */
export function findH2spec(): { readonly path: string } | { readonly missing: string } {
  const fetched = fileURLToPath(new URL('../../../bench/peers/h2spec', import.meta.url));
  for (const path of [fetched, 'h2spec']) {
    if (path !== 'h2spec' && !existsSync(path)) continue;
    try {
      execFileSync(path, ['--version'], { stdio: 'ignore' });
      return { path };
    } catch {
      // Not one that runs here.
    }
  }
  return { missing: 'no h2spec here: run node bench/fetch-peers.mjs h2spec, which needs Go' };
}
