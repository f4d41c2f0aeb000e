import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type GoProgram = { readonly path: string } | { readonly missing: string };

const BUILD_TIMEOUT_MS = 15 * 60_000;

/** Builds a program of test/go where Go is there. Resolves with where it lies, or with why there is none. */
export async function buildGoProgram(name: string, timeoutMs = BUILD_TIMEOUT_MS): Promise<GoProgram> {
  const source = fileURLToPath(new URL(`../../go/${name}/`, import.meta.url));
  const path = pathOf(name);
  try {
    await run('go', ['version']);
  } catch {
    return existsSync(path) ? { path } : { missing: 'no Go on this machine' };
  }
  try {
    await mkdir(join(path, '..'), { recursive: true });
    // Go finds out by itself whether anything changed.
    await run('go', ['build', '-buildvcs=false', '-o', path, '.'], { cwd: source, timeout: timeoutMs });
    return { path };
  } catch (cause) {
    return { missing: `test/go/${name} cannot be built: ${(cause as Error).message.slice(0, 500)}` };
  }
}

/** One that was built before; one that takes long to build is built only where the environment asks for it by `variable`. */
export async function builtGoProgram(name: string, variable: string, timeoutMs: number): Promise<GoProgram> {
  if (process.env[variable] === '1') return buildGoProgram(name, timeoutMs);
  const path = pathOf(name);
  return existsSync(path) ? { path } : { missing: `it was not built here: ${variable}=1 builds it` };
}

function pathOf(name: string): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(cache, 'heddle-foreign', name);
}
