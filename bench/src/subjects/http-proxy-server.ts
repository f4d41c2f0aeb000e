// The http-proxy subject's own process.
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import http from 'node:http';
import httpProxy from 'http-proxy';
import { hostName, routePrefix } from './routing-shape.js';
import type { SubjectSetup } from './subject.js';

const FLUSH_BYTES = 64 * 1024;
const FLUSH_INTERVAL_MS = 1_000;

const setup = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as SubjectSetup & {
  accessLogFile: string;
};
const prefixes = Array.from({ length: setup.shape.routesPerHost }, (_, route) => routePrefix(route));
const clusters = new Map(
  Array.from({ length: setup.shape.virtualHosts }, (_, host) => [hostName(host), `cluster-${host}`]),
);
const requestsByClusterAndStatus = new Map<string, number>();

const log = openSync(setup.accessLogFile, 'a');
let pending = '';
const flush = (): void => {
  if (pending !== '') writeSync(log, pending);
  pending = '';
};
setInterval(flush, FLUSH_INTERVAL_MS).unref();

const proxy = httpProxy.createProxyServer({
  target: { host: '127.0.0.1', port: setup.backendPort },
  agent: new http.Agent({ keepAlive: true, maxFreeSockets: 1_024 }),
  xfwd: true,
  proxyTimeout: 15_000,
});
proxy.on('error', (_error, _request, response) => {
  if (response instanceof http.ServerResponse) response.writeHead(503).end();
});

const server = http.createServer((request, response) => {
  const startMs = Date.now();
  const authority = request.headers.host ?? '';
  const cluster = clusters.get(authority);
  const path = request.url ?? '/';
  const route = prefixes.findIndex((prefix) => path.startsWith(prefix));
  request.headers['x-request-id'] ??= randomUUID();
  response.once('finish', () => {
    const key = `${cluster}:${response.statusCode}`;
    requestsByClusterAndStatus.set(key, (requestsByClusterAndStatus.get(key) ?? 0) + 1);
    pending +=
      JSON.stringify({
        start_time: new Date(startMs).toISOString(),
        method: request.method,
        path,
        protocol: `HTTP/${request.httpVersion}`,
        response_code: response.statusCode,
        bytes_received: Number(request.headers['content-length'] ?? 0),
        bytes_sent: Number(response.getHeader('content-length') ?? 0),
        duration: Date.now() - startMs,
        x_forwarded_for: request.headers['x-forwarded-for'],
        user_agent: request.headers['user-agent'],
        request_id: request.headers['x-request-id'],
        authority,
        upstream_host: `127.0.0.1:${setup.backendPort}`,
        upstream_cluster: cluster,
        downstream_remote_address: `${request.socket.remoteAddress}:${request.socket.remotePort}`,
        route_name: `route-${route}`,
      }) + '\n';
    if (pending.length > FLUSH_BYTES) flush();
  });
  if (cluster === undefined || route === -1) response.writeHead(404).end();
  else proxy.web(request, response);
});
server.keepAliveTimeout = 3_600_000;
server.listen(setup.listenPort, '127.0.0.1', 4_096);
process.once('SIGTERM', () => {
  flush();
  closeSync(log);
  process.exit(0);
});
