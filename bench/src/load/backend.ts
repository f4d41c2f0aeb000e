import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type RunningProcess,
  freePorts,
  startProcess,
  waitUntilListening,
  waitUntilServing,
} from '../machine/child-process.js';
import { findExecutable } from '../subjects/find-executable.js';
import { BODY_SIZES } from './body-size.js';

const SERVER_FILE = fileURLToPath(new URL('./backend-server.js', import.meta.url));
const HTTP2_SERVER_FILE = fileURLToPath(new URL('./http2-backend-server.js', import.meta.url));
const START_TIMEOUT_MS = 10_000;

/** The server behind the proxies. */
export interface Backend {
  readonly port: number;
  readonly description: string;
  readonly process: RunningProcess;
}

/** Starts nginx where there is one, since it leaves the load generator more of their core; else our own server. */
export async function startBackend(folder: string, core: number | undefined): Promise<Backend> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('no free port');
  const nginx = findExecutable('nginx');
  const works = nginx !== undefined && spawnSync(nginx, ['-v']).status === 0;
  const command = works ? nginxCommand(nginx, folder, port) : [process.execPath, SERVER_FILE, String(port)];
  const started = await startProcess({ command, core, logFile: path.join(folder, 'backend.log') });
  const probe = Buffer.from('GET /1k HTTP/1.1\r\nhost: backend\r\n\r\n', 'latin1');
  await waitUntilServing(started, port, probe, START_TIMEOUT_MS);
  return { port, description: works ? 'nginx' : 'node:net', process: started };
}

/** Starts our own server of HTTP/2. What it answers says so: it needs no question to be told to be serving. */
export async function startHttp2Backend(folder: string, core: number | undefined): Promise<Backend> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('no free port');
  const command = [process.execPath, HTTP2_SERVER_FILE, String(port)];
  const started = await startProcess({ command, core, logFile: path.join(folder, 'backend.log') });
  await waitUntilListening(started, port, START_TIMEOUT_MS);
  return { port, description: 'HTTP/2 over node:net', process: started };
}

function nginxCommand(nginx: string, folder: string, port: number): string[] {
  const bodies = path.join(folder, 'bodies');
  const temporary = path.join(folder, 'backend-temporary');
  mkdirSync(bodies, { recursive: true });
  mkdirSync(temporary, { recursive: true });
  for (const [name, bodyBytes] of Object.entries(BODY_SIZES)) {
    writeFileSync(path.join(bodies, name), Buffer.alloc(bodyBytes, 'x'));
  }
  const file = path.join(folder, 'backend.conf');
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    file,
    `${user}
daemon off;
worker_processes 1;
pid ${folder}/backend.pid;
error_log stderr error;
events { worker_connections 16384; }
http {
  access_log off;
  sendfile on;
  tcp_nodelay on;
  open_file_cache max=100;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  types { }
  default_type text/plain;
  client_body_temp_path ${temporary};
  proxy_temp_path ${temporary};
  fastcgi_temp_path ${temporary};
  uwsgi_temp_path ${temporary};
  scgi_temp_path ${temporary};
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${bodies};
    location ~ /(1k|64k|1m)$ { try_files /$1 =404; }
  }
}
`,
  );
  return [nginx, '-e', 'stderr', '-c', file, '-p', folder];
}
