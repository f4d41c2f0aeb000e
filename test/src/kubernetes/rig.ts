import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The rig that starts a real Kubernetes on this machine, or why there is none here. */
export type FoundRig = { readonly folder: string } | { readonly missing: string };

/** A cluster that is up. */
export interface RunningRig {
  /** Of an administrator. */
  readonly kubeconfig: string;
  /** An address of this machine that the API server reaches. */
  readonly hostAddress: string;
  /** Stops what was started here; one that was up before stays up. */
  down(): Promise<void>;
}

/** Below what CI gives the suite: what takes longer is left out there, and said so. */
const BUILD_TIMEOUT_MS = 20 * 60_000;
const UP_TIMEOUT_MS = 5 * 60_000;
/** The rig's own choice, see its README. */
const HOST_ADDRESS = '10.99.0.1';

/** Finds the rig: HEDDLE_K8S_RIG names its folder, or it is `shared/kubernetes` beside the repository. */
export function findRig(environment: Readonly<Record<string, string | undefined>>): FoundRig {
  const named = environment['HEDDLE_K8S_RIG'];
  const beside = fileURLToPath(new URL('../../../../shared/kubernetes', import.meta.url));
  const folder = named === undefined || named === '' ? beside : named;
  if (process.platform !== 'linux') return { missing: 'Kubernetes runs on Linux here' };
  if (process.getuid?.() !== 0) return { missing: 'the rig makes network namespaces, which takes root' };
  if (!['up', 'down', 'env', 'build'].every((name) => existsSync(join(folder, name)))) {
    return { missing: `no rig in ${folder}: HEDDLE_K8S_RIG names the folder of one` };
  }
  return { folder };
}

/** Builds what is not built yet. Resolves with why that failed. */
export async function buildRig(folder: string): Promise<string | undefined> {
  try {
    await run(join(folder, 'build'), ['core'], { timeout: BUILD_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 });
    return undefined;
  } catch (cause) {
    return `the rig cannot be built: ${lastLines(cause)}`;
  }
}

/** Starts the control plane of a cluster. Resolves with it, or with why it does not start. */
export async function startRig(folder: string): Promise<RunningRig | { readonly missing: string }> {
  const down = async (): Promise<void> => {
    await run(join(folder, 'down'), [], { timeout: UP_TIMEOUT_MS });
  };
  let said: string;
  try {
    ({ stdout: said } = await run(join(folder, 'up'), [], { timeout: UP_TIMEOUT_MS }));
  } catch (cause) {
    const reason = lastLines(cause);
    if (reason.includes('not built yet')) return { missing: 'the rig is not built: --build builds it' };
    await down().catch(() => undefined);
    return { missing: `the rig does not start: ${reason}` };
  }
  const { stdout } = await run(join(folder, 'env'));
  const kubeconfig = /^export KUBECONFIG=(.*)$/m.exec(stdout)?.[1] ?? '';
  const wasUp = said.includes('up already');
  return { kubeconfig, hostAddress: HOST_ADDRESS, down: wasUp ? async () => undefined : down };
}

function lastLines(cause: unknown): string {
  const { stderr = '', message } = cause as Error & { readonly stderr?: string };
  return (stderr.trim() || message).split('\n').slice(-3).join(' / ');
}
