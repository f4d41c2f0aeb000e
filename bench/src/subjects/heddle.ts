import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { proxyEnvironment, proxyNodeFlags } from '@heddle/supervisor';
import { envoyBootstrap } from './envoy-bootstrap.js';
import { threadsText, type FoundSubject } from './subject.js';

const DATA_PLANE_FOLDER = fileURLToPath(new URL('../../../data-plane/', import.meta.url));

/** heddle-proxy on one Node: from the very bootstrap file that Envoy is started with. */
export function findHeddle(name: string, node: string, concurrency: number): FoundSubject {
  const main = path.join(DATA_PLANE_FOLDER, 'dist/main.js');
  if (!existsSync(main)) return { name, missing: 'data-plane is not built' };
  const printed = spawnSync(node, ['--version'], { encoding: 'utf8' });
  if (printed.status !== 0) return { name, missing: 'its Node does not run' };
  const manifest = JSON.parse(readFileSync(path.join(DATA_PLANE_FOLDER, 'package.json'), 'utf8')) as {
    version: string;
  };
  return {
    name,
    version: `${manifest.version} on Node ${printed.stdout.trim()}, ${threadsText(concurrency)}`,
    prepare(setup) {
      const config = path.join(setup.folder, 'bootstrap.yaml');
      writeFileSync(config, envoyBootstrap(setup, path.join(setup.folder, 'access.log')));
      const { MALLOC_ARENA_MAX } = proxyEnvironment(process.env, concurrency);
      return {
        command: [
          ...['env', `MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX}`],
          ...[node, ...proxyNodeFlags(process.env), ...setup.nodeArguments, main, '-c', config],
          ...(concurrency === 1 ? [] : ['--concurrency', String(concurrency)]),
        ],
      };
    },
  };
}
