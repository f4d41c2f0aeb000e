import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describeError, systemClock, systemRandom } from '@heddle/common';
import { HeddledClient } from '../launcher/heddled-client.js';
import { Launcher } from '../launcher/launcher.js';
import type { Terminal } from '../terminal.js';
import { describeEvent } from './report-events.js';
import { untilInterrupted } from './until-interrupted.js';

export interface UpOptions {
  readonly folders: readonly string[];
  readonly stateFolder: string;
  readonly apiPort: number;
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const PROBLEM_POLL_MS = 300;

/** Runs a mesh on this machine until it is interrupted. Resolves with the exit code. */
export async function runUp(options: UpOptions): Promise<number> {
  const { terminal } = options;
  const stateFolder = resolve(options.stateFolder);
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  const launcher = new Launcher({
    folders: options.folders.map((folder) => resolve(folder)),
    stateFolder,
    apiPort: options.apiPort,
    clock: systemClock,
    random: systemRandom,
    environment: options.environment,
    report: (event) => {
      const text = describeEvent(event);
      if (text !== undefined) terminal.say(text);
      if (event.kind === 'control-plane-ready') terminal.note(`token for writes: ${event.token}`);
    },
  });
  const { interrupted, dispose } = untilInterrupted(systemClock, () => launcher.kill());
  let watching: { cancel(): void } | undefined;
  try {
    const running = launcher.start().then((mesh) => {
      watching = watchProblems(new HeddledClient(mesh.controlPlane.apiPort), terminal);
      terminal.note(`logs, bootstraps and state are in ${stateFolder}; press Ctrl-C to end everything`);
    });
    await Promise.race([running, interrupted]);
    await interrupted;
    return 0;
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  } finally {
    watching?.cancel();
    terminal.note('stopping everything');
    await launcher.stop();
    dispose();
  }
}

/** Shows each mistake in the YAML once, and says when all are mended. */
function watchProblems(heddled: HeddledClient, terminal: Terminal): { cancel(): void } {
  let shown = new Set<string>();
  let cancelled = false;
  let timer: { cancel(): void } | undefined;
  const look = async (): Promise<void> => {
    const problems = await heddled.problems().catch(() => undefined);
    if (cancelled) return;
    if (problems !== undefined) {
      const texts = problems.map(
        ({ severity, file, line, column, field, message, expected, suggestion }) =>
          `${severity}: ${file}:${line}:${column}: ${field === '' ? '' : `${field}: `}${message}` +
          `${expected === undefined ? '' : `; expected ${expected}`}` +
          `${suggestion === undefined ? '' : `; did you mean ${suggestion}?`}`,
      );
      for (const text of texts) if (!shown.has(text)) terminal.say(text);
      if (texts.length === 0 && shown.size > 0) terminal.say('all mistakes are mended');
      shown = new Set(texts);
    }
    timer = systemClock.setTimer(PROBLEM_POLL_MS, () => void look());
  };
  void look();
  return {
    cancel: () => {
      cancelled = true;
      timer?.cancel();
    },
  };
}
