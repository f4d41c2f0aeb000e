import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { envoyBootstrap } from './envoy-bootstrap.js';
import { findExecutable, isExecutable } from './find-executable.js';
import { threadsText, type FoundSubject } from './subject.js';

/** Envoy with so many workers, found by HEDDLE_ENVOY, among the fetched peers or on PATH. */
export function findEnvoy(concurrency: number): FoundSubject {
  const name = 'envoy';
  const named = process.env['HEDDLE_ENVOY'];
  if (named !== undefined && !isExecutable(named))
    return { name, missing: 'HEDDLE_ENVOY names no executable' };
  const file = named ?? findExecutable('envoy');
  if (file === undefined) return { name, missing: 'not found; node bench/fetch-peers.mjs fetches it' };
  const printed = spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout ?? '';
  const version = /\/(\d+\.\d+\.\d+)\//.exec(printed)?.[1];
  if (version === undefined) return { name, missing: 'it does not run here' };
  return {
    name,
    version: `${version}, ${threadsText(concurrency)}`,
    prepare(setup) {
      const config = path.join(setup.folder, 'bootstrap.yaml');
      writeFileSync(config, envoyBootstrap(setup, path.join(setup.folder, 'access.log')));
      return {
        command: [
          file,
          '-c',
          config,
          '--concurrency',
          String(concurrency),
          '--disable-hot-restart',
          '--log-level',
          'error',
        ],
      };
    },
  };
}
