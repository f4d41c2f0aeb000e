import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { findExecutable } from './find-executable.js';
import { hostName, routePrefix } from './routing-shape.js';
import { threadsText, type FoundSubject, type SubjectSetup } from './subject.js';

/** haproxy with so many threads; its access log goes to standard output, which is the file. */
export function findHaproxy(concurrency: number): FoundSubject {
  const name = 'haproxy';
  const file = findExecutable('haproxy');
  if (file === undefined)
    return { name, missing: 'not found; node bench/fetch-peers.mjs installs it as root' };
  const version = /version (\d+\.\d+\.\d+)/.exec(
    spawnSync(file, ['-v'], { encoding: 'utf8' }).stdout ?? '',
  )?.[1];
  if (version === undefined) return { name, missing: 'it does not run here' };
  return {
    name,
    version: `${version}, ${threadsText(concurrency)}`,
    prepare(setup) {
      const config = path.join(setup.folder, 'haproxy.cfg');
      const routes = path.join(setup.folder, 'routes.map');
      writeFileSync(routes, routeMap(setup));
      const text =
        setup.tcp === true ? haproxyTcpConfig(setup, concurrency) : haproxyConfig(setup, routes, concurrency);
      writeFileSync(config, text);
      return { command: [file, '-db', '-f', config], stdoutFile: path.join(setup.folder, 'access.log') };
    },
  };
}

/** Host and path prefix to backend: haproxy looks the longest prefix up in a tree. */
function routeMap(setup: SubjectSetup): string {
  const lines: string[] = [];
  for (let host = 0; host < setup.shape.virtualHosts; host++) {
    for (let route = 0; route < setup.shape.routesPerHost; route++) {
      lines.push(`${hostName(host)}${routePrefix(route)} cluster-${host}`);
    }
  }
  return lines.join('\n') + '\n';
}

/** Fields as those of the others' logs of TCP. */
function haproxyTcpConfig(setup: SubjectSetup, concurrency: number): string {
  const fields = [
    ['start_time', '%[date,utime(%Y-%m-%dT%H:%M:%SZ)]'],
    ['response_flags', '%ts'],
    ['bytes_received', '%U'],
    ['bytes_sent', '%B'],
    ['duration', '%Tt'],
    ['upstream_host', '%si:%sp'],
    ['upstream_cluster', '%b'],
    ['upstream_local_address', '%bi:%bp'],
    ['downstream_remote_address', '%ci:%cp'],
  ];
  return `global
  nbthread ${concurrency}
  maxconn 4096
  log stdout format raw local0
defaults
  mode tcp
  log global
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend inbound
  bind 127.0.0.1:${setup.listenPort} backlog 4096
  log-format '${jsonFormat(fields)}'
  default_backend server
backend server
  server one 127.0.0.1:${setup.backendPort}
`;
}

function jsonFormat(fields: readonly (readonly string[])[]): string {
  return `{${fields.map(([key, value]) => `"${key}":"${value}"`).join(',')}}`;
}

function haproxyConfig(setup: SubjectSetup, routes: string, concurrency: number): string {
  const fields = [
    ['start_time', '%[date,utime(%Y-%m-%dT%H:%M:%SZ)]'],
    ['method', '%HM'],
    ['path', '%HP'],
    ['protocol', '%HV'],
    ['response_code', '%ST'],
    ['response_flags', '%ts'],
    ['bytes_received', '%U'],
    ['bytes_sent', '%B'],
    ['duration', '%Ta'],
    ['x_forwarded_for', '%ci'],
    ['user_agent', '%[capture.req.hdr(1)]'],
    ['request_id', '%ID'],
    ['authority', '%[capture.req.hdr(0)]'],
    ['upstream_host', '%si:%sp'],
    ['upstream_cluster', '%b'],
    ['downstream_remote_address', '%ci:%cp'],
  ];
  const backends = Array.from(
    { length: setup.shape.virtualHosts },
    (_, host) => `backend cluster-${host}\n  server one 127.0.0.1:${setup.backendPort}`,
  );
  return `global
  nbthread ${concurrency}
  maxconn 4096
  log stdout format raw local0
defaults
  mode http
  log global
  option http-keep-alive
  http-reuse always
  retries 2
  option redispatch
  timeout connect 1s
  timeout client 1h
  timeout server 15s
  timeout http-keep-alive 1h
frontend inbound
  bind 127.0.0.1:${setup.listenPort} backlog 4096
  unique-id-format %[uuid()]
  unique-id-header x-request-id
  option forwardfor
  http-request set-header x-forwarded-proto http
  declare capture request len 64
  http-request capture req.hdr(host) id 0
  declare capture request len 64
  http-request capture req.hdr(user-agent) id 1
  log-format '${jsonFormat(fields)}'
  use_backend %[base,map_beg(${routes})]
frontend statistics
  bind 127.0.0.1:${setup.adminPort}
  no log
  stats enable
  stats uri /
${backends.join('\n')}
`;
}
