import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeError, type Logger } from '@heddle/common';
import type { CanaryState } from './canary-state.js';

/** Of canaries that are not there any more, too: one that comes back goes on where it was. */
const MAX_FILES = 1_000;
const PHASES = new Set(['waiting', 'applying', 'observing', 'paused', 'promoted', 'rolled-back', 'aborted']);

/**
 * Where canaries are, on disk: a file each, renamed into place.
 *
 * Errors: a file that cannot be read is passed over and logged; what cannot be written throws, before anything acts upon it.
 */
export class CanaryFiles {
  readonly #folder: string;
  readonly #log: Logger;

  constructor(folder: string, log: Logger) {
    this.#folder = folder;
    this.#log = log;
  }

  /** By `NAMESPACE/NAME`. */
  readAll(): ReadonlyMap<string, CanaryState> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const states = new Map<string, CanaryState>();
    for (const name of this.#names()) {
      try {
        const { key, state } = JSON.parse(readFileSync(join(this.#folder, name), 'utf8')) as {
          readonly key: unknown;
          readonly state: unknown;
        };
        if (typeof key !== 'string' || !isState(state)) throw new Error('it holds something else');
        states.set(key, state);
      } catch (cause) {
        this.#log.warn('the state of a canary cannot be read; it begins anew', {
          file: name,
          error: describeError(cause),
        });
      }
    }
    return states;
  }

  write(key: string, state: CanaryState): void {
    const file = join(this.#folder, `${encodeURIComponent(key)}.json`);
    writeFileSync(`${file}.tmp`, `${JSON.stringify({ key, state })}\n`, { mode: 0o600 });
    renameSync(`${file}.tmp`, file);
    this.#makeRoom();
  }

  #names(): readonly string[] {
    return readdirSync(this.#folder).filter((name) => name.endsWith('.json'));
  }

  /** The oldest go. */
  #makeRoom(): void {
    const names = this.#names();
    if (names.length <= MAX_FILES) return;
    const byAge = names
      .map((name) => ({ name, mtimeMs: statSync(join(this.#folder, name)).mtimeMs }))
      .sort((a, b) => a.mtimeMs - b.mtimeMs);
    for (const { name } of byAge.slice(0, names.length - MAX_FILES))
      rmSync(join(this.#folder, name), { force: true });
  }
}

function isState(value: unknown): value is CanaryState {
  const state = value as Partial<Record<keyof CanaryState, unknown>> | null;
  return (
    typeof state === 'object' &&
    state !== null &&
    typeof state.runId === 'string' &&
    PHASES.has(String(state.phase)) &&
    [state.run, state.step, state.runSinceMs, state.stepSinceMs, state.phaseSinceMs].every(
      (number) => typeof number === 'number' && Number.isFinite(number) && number >= 0,
    ) &&
    typeof state.reason === 'string' &&
    typeof state.stepHeld === 'boolean' &&
    Array.isArray(state.events)
  );
}
