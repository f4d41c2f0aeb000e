import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { proxyNodeFlags } from '@heddle/supervisor';
import type { FoundSubject } from './subject.js';

const SERVER_FILE = fileURLToPath(new URL('./node-tls-server.js', import.meta.url));

/** Node's own TLS with nothing around it, run as heddle-proxy is: what no proxy on this Node can be below. */
export function findNodeTls(node: string): FoundSubject {
  const name = 'node-tls';
  const printed = spawnSync(node, ['--version'], { encoding: 'utf8' });
  if (printed.status !== 0) return { name, missing: 'its Node does not run' };
  return {
    name,
    version: `nothing but the TLS of Node ${printed.stdout.trim()}`,
    prepare(setup) {
      const config = path.join(setup.folder, 'node-tls.json');
      writeFileSync(config, JSON.stringify(setup));
      const flags = [...proxyNodeFlags(process.env), ...setup.nodeArguments];
      return { command: [node, ...flags, SERVER_FILE, config] };
    },
  };
}
