import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FoundSubject } from './subject.js';

const SERVER_FILE = fileURLToPath(new URL('./http-proxy-server.js', import.meta.url));

/** The http-proxy package, with the routing, counting and logging around it that an application would write. */
export function findHttpProxy(node: string): FoundSubject {
  const name = 'http-proxy';
  let manifestFile: string;
  try {
    manifestFile = createRequire(import.meta.url).resolve('http-proxy/package.json');
  } catch {
    return { name, missing: 'the package is not installed' };
  }
  const { version } = JSON.parse(readFileSync(manifestFile, 'utf8')) as { version: string };
  return {
    name,
    version: `${version} on Node ${process.version}`,
    prepare(setup) {
      const config = path.join(setup.folder, 'http-proxy.json');
      const accessLogFile = path.join(setup.folder, 'access.log');
      writeFileSync(config, JSON.stringify({ ...setup, accessLogFile }));
      return { command: [node, ...setup.nodeArguments, SERVER_FILE, config] };
    },
  };
}
