import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { RunningProgram } from '../support/running-program.js';
import type { IstioSidecar } from './istio-bootstrap.js';
import { ISTIOD_NAME, type Istiod } from './istiod.js';

const HEDDLE = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));

/** `heddle agent` in the place of Istio's: SDS and xDS for one workload, on a socket. Resolves when it has a certificate. */
export async function startAgent(
  istiod: Istiod,
  { name, namespace, serviceAccount }: IstioSidecar,
): Promise<{ readonly program: RunningProgram; readonly socket: string }> {
  const { rootsFile, tokenFile } = await istiod.workloadFiles(namespace, serviceAccount);
  const socket = join(istiod.folder, name, 'socket');
  const program = new RunningProgram(process.execPath, [
    ...[HEDDLE, 'agent', '-n', namespace, '-s', serviceAccount, '--socket', socket, '--name', name],
    ...['--ca-address', `127.0.0.1:${istiod.securePort}`, '--ca-server-name', ISTIOD_NAME],
    ...['--ca-root-file', rootsFile, '--ca-token-file', tokenFile],
  ]);
  await eventually(
    () => program.output.includes('certificate issued'),
    () => `no certificate\n${program.output}\n${istiod.output}`,
  );
  return { program, socket };
}
