import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { findExecutable } from './find-executable.js';
import { hostName, routePrefix } from './routing-shape.js';
import { threadsText, type FoundSubject, type SubjectSetup } from './subject.js';

/** nginx with so many workers. Its statistics are the few totals of stub_status. */
export function findNginx(concurrency: number): FoundSubject {
  const name = 'nginx';
  const file = findExecutable('nginx');
  if (file === undefined)
    return { name, missing: 'not found; node bench/fetch-peers.mjs installs it as root' };
  const version = /nginx\/(\S+)/.exec(spawnSync(file, ['-v'], { encoding: 'utf8' }).stderr ?? '')?.[1];
  if (version === undefined) return { name, missing: 'it does not run here' };
  return {
    name,
    version: `${version}, ${threadsText(concurrency)}`,
    prepare(setup) {
      const config = path.join(setup.folder, 'nginx.conf');
      mkdirSync(path.join(setup.folder, 'temporary'), { recursive: true });
      writeFileSync(config, nginxConfig(setup, concurrency));
      return { command: [file, '-e', 'stderr', '-c', config, '-p', setup.folder] };
    },
  };
}

function nginxConfig(setup: SubjectSetup, concurrency: number): string {
  const hosts = Array.from({ length: setup.shape.virtualHosts }, (_, host) => host);
  const routes = Array.from({ length: setup.shape.routesPerHost }, (_, route) => route);
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes ${concurrency};
pid ${setup.folder}/nginx.pid;
error_log stderr error;
events { worker_connections 16384; }
http {
  server_names_hash_bucket_size 128;
  server_names_hash_max_size 4096;
  log_format fields escape=json '{"start_time":"$time_iso8601","method":"$request_method","path":"$request_uri",'
    '"protocol":"$server_protocol","response_code":$status,"bytes_received":$request_length,'
    '"bytes_sent":$body_bytes_sent,"duration":$request_time,"x_forwarded_for":"$http_x_forwarded_for",'
    '"user_agent":"$http_user_agent","request_id":"$request_id","authority":"$http_host",'
    '"upstream_host":"$upstream_addr","upstream_cluster":"$proxy_host",'
    '"downstream_remote_address":"$remote_addr:$remote_port"}';
  access_log ${setup.folder}/access.log fields buffer=64k flush=1s;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path ${setup.folder}/temporary;
  proxy_temp_path ${setup.folder}/temporary;
  fastcgi_temp_path ${setup.folder}/temporary;
  uwsgi_temp_path ${setup.folder}/temporary;
  scgi_temp_path ${setup.folder}/temporary;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Request-Id $request_id;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_read_timeout 15s;
  proxy_next_upstream error timeout;
  proxy_next_upstream_tries 3;
${hosts
  .map(
    (host) => `  upstream cluster-${host} {
    server 127.0.0.1:${setup.backendPort};
    keepalive 64;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${setup.listenPort}${host === 0 ? ' backlog=4096' : ''};
    server_name ${hostName(host)};
${routes.map((route) => `    location ${routePrefix(route)} { proxy_pass http://cluster-${host}; }`).join('\n')}
  }`,
  )
  .join('\n')}
  server {
    listen 127.0.0.1:${setup.adminPort};
    access_log off;
    location /status { stub_status; }
  }
}
`;
}
