import { resolve } from 'node:path';
import { describeError, systemClock, systemRandom } from '@heddle/common';
import type { XdsAuth } from '../launcher/control-plane-process.js';
import { HeddledClient } from '../launcher/heddled-client.js';
import { Launcher, type Interception } from '../launcher/launcher.js';
import { lockStateFolder } from '../launcher/state-folder-lock.js';
import type { Terminal } from '../terminal.js';
import { checkFolders } from './check-folders.js';
import { describeEvent } from './report-events.js';
import { untilInterrupted } from './until-interrupted.js';
import { watchProblems } from './watch-problems.js';

export interface UpOptions {
  readonly folders: readonly string[];
  readonly stateFolder: string;
  readonly apiPort: number;
  readonly xdsAuth: XdsAuth;
  readonly interception: Interception;
  readonly hbone: boolean;
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Runs a mesh on this machine until it is interrupted. Resolves with the exit code. */
export async function runUp(options: UpOptions): Promise<number> {
  const { terminal } = options;
  const folders = checkFolders(options.folders, terminal);
  if (folders === undefined) return 1;
  const stateFolder = resolve(options.stateFolder);
  let lock: { release(): void };
  try {
    lock = lockStateFolder(stateFolder);
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
  const launcher = new Launcher({
    folders,
    stateFolder,
    apiPort: options.apiPort,
    xdsAuth: options.xdsAuth,
    interception: options.interception,
    hbone: options.hbone,
    clock: systemClock,
    random: systemRandom,
    environment: options.environment,
    report: (event) => {
      const text = describeEvent(event);
      if (text !== undefined) terminal.say(text);
      if (event.kind === 'control-plane-ready') {
        terminal.say(`dashboard: http://127.0.0.1:${event.apiPort}/`);
        terminal.note(`token for writes: ${event.token}`);
      }
    },
  });
  const { interrupted, dispose } = untilInterrupted(systemClock, () => launcher.kill());
  let watching: { cancel(): void } | undefined;
  let isInterrupted = false;
  try {
    const running = launcher.start().then((mesh) => {
      if (isInterrupted) return;
      watching = watchProblems(new HeddledClient(mesh.controlPlane.apiPort), terminal, systemClock);
      if (launcher.instances.length === 0)
        terminal.note(
          `there is no Workload with a command in ${options.folders.join(', ')} yet; what you add is started`,
        );
      terminal.note(`logs, bootstraps and state are in ${stateFolder}; press Ctrl-C to end everything`);
    });
    await Promise.race([running, interrupted]);
    await interrupted;
    isInterrupted = true;
    running.catch(() => undefined);
    return 0;
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  } finally {
    watching?.cancel();
    terminal.note('stopping everything');
    await launcher.stop();
    lock.release();
    dispose();
  }
}
