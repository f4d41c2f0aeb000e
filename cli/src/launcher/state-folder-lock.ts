import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Takes a state folder for this process, making it when it is not there: two meshes in one folder would remove each
 * other's records. A lock whose process is gone is taken over.
 *
 * Errors: throws when another process has it, or the folder cannot be written; the message says what to do.
 */
export function lockStateFolder(folder: string): { release(): void } {
  const file = join(folder, 'heddle.pid');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (let attempt = 0; ; attempt++) {
      try {
        writeFileSync(file, `${process.pid}\n`, { flag: 'wx', mode: 0o600 });
        break;
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 3) throw cause;
        const holder = Number(readFileSync(file, 'utf8'));
        if (isRunning(holder)) {
          throw new StateFolderTaken(
            `another heddle (process ${holder}) uses the state folder ${folder}; end it, or choose another with --state-dir`,
          );
        }
        rmSync(file, { force: true });
      }
    }
  } catch (cause) {
    if (cause instanceof StateFolderTaken) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the state folder ${folder} cannot be used: ${reason}; choose another with --state-dir`, {
      cause,
    });
  }
  return { release: () => rmSync(file, { force: true }) };
}

class StateFolderTaken extends Error {}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    // It runs, and belongs to someone else.
    return (cause as NodeJS.ErrnoException).code === 'EPERM';
  }
}
