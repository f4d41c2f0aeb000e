import { readFileSync, readdirSync } from 'node:fs';

/** By this variable everything that a launcher starts, and what that starts in turn, is known to be of its state folder. */
export const LAUNCHED_IN = 'HEDDLE_LAUNCHED_IN';

/**
 * Ends what an earlier launcher of a state folder left running because it was killed, and returns how much that was. The folder
 * has to be locked: nothing that is found may belong to a mesh that runs.
 *
 * Source: proc(5), /proc/PID/environ. Other systems do not tell, and nothing is ended there.
 */
export function endLeftOvers(stateFolder: string): number {
  if (process.platform !== 'linux') return 0;
  const mark = `${LAUNCHED_IN}=${stateFolder}`;
  let ended = 0;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid || !isMarked(pid, mark)) continue;
    try {
      process.kill(pid, 'SIGKILL');
      ended++;
    } catch {
      // It ended by itself.
    }
  }
  return ended;
}

function isMarked(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
  } catch {
    // It is gone, or another user's.
    return false;
  }
}
