import { fileURLToPath } from 'node:url';
import { findEnvoy } from './find-envoy.js';
import { RunningProgram } from './running-program.js';

/** A proxy that takes an Envoy bootstrap: ours, and the real one where it is found. */
export interface ProxySubject {
  readonly name: 'heddle-proxy' | 'envoy';
  /** Why it cannot be used here. */
  readonly missing: string | undefined;
  start(bootstrapFile: string, stateFolder: string): RunningProgram;
  /** Checks a bootstrap and ends. */
  validate(bootstrapFile: string): RunningProgram;
}

let envoys = 0;

export function heddleProxy(): ProxySubject {
  const main = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/data-plane')));
  return {
    name: 'heddle-proxy',
    missing: undefined,
    start: (file, state) =>
      new RunningProgram(process.execPath, [
        main,
        ...['-c', file, '--state-dir', state],
        ...['--concurrency', process.env['HEDDLE_CONCURRENCY'] ?? '1'],
      ]),
    validate: (file) => new RunningProgram(process.execPath, [main, '--mode', 'validate', '-c', file]),
  };
}

export function realEnvoy(): ProxySubject {
  const found = findEnvoy();
  const path = 'path' in found ? found.path : 'envoy';
  // Shared memory is keyed by it: two Envoys on one machine need two.
  const baseId = (): string[] => ['--base-id', String((process.pid % 20_000) * 10 + envoys++)];
  return {
    name: 'envoy',
    missing: 'missing' in found ? found.missing : undefined,
    start: (file) =>
      new RunningProgram(path, [
        '-c',
        file,
        '--concurrency',
        '1',
        '-l',
        'warning',
        '--file-flush-interval-msec',
        '50',
        ...baseId(),
      ]),
    validate: (file) => new RunningProgram(path, ['--mode', 'validate', '-c', file, ...baseId()]),
  };
}
