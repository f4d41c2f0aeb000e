// What every Node program of the shop shares: a plain node:http server, a keep-alive client, and the
// headers that applications are asked to pass on. Nothing here knows of a mesh.
import http from 'node:http';

/** Headers that a service copies from the request it answers to the requests it makes. */
const PASSED_ON = ['x-request-id', 'traceparent', 'tracestate', 'end-user'];
const CALL_TIMEOUT_MS = 5_000;
const DRAIN_TIMEOUT_MS = 10_000;
/** How many of a hundred requests this program fails, to see what its callers make of it. */
const FAIL_PERCENT = Number(process.env.FAIL_PERCENT ?? 0);
/** How long it thinks before it answers. */
const DELAY_MS = Number(process.env.DELAY_MS ?? 0);

const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 64 });

/** A call to another service that did not end in 200. */
export class CallError extends Error {
  constructor(service, status, reason) {
    super(`${service}: ${reason}`);
    this.service = service;
    this.status = status;
  }
}

/**
 * Starts a service on 127.0.0.1:PORT.
 *
 * `handle({ method, path, query, headers, call })` returns the body's own fields, or undefined for 404.
 * `call(service, path)` asks `<SERVICE>_URL`, notes the answer in the chain of calls, and throws
 * CallError on anything but 200.
 */
export function startService(name, handle, methods = ['GET', 'HEAD']) {
  const port = Number(process.env.PORT);
  if (!Number.isInteger(port) || port < 0 || port > 65_535 || process.env.PORT === '') {
    console.error(`${name}: PORT must be a port number, got ${JSON.stringify(process.env.PORT ?? null)}`);
    process.exit(1);
  }
  const identity = {
    service: name,
    version: process.env.SERVICE_VERSION ?? 'v1',
    instance: process.env.INSTANCE ?? `${name}-${process.pid}`,
  };
  let draining = false;

  const server = http.createServer(async (request, response) => {
    request.resume();
    const url = new URL(request.url, 'http://service');
    const calls = [];
    const answer = (status, fields) => {
      const body = JSON.stringify({ ...identity, path: url.pathname, ...fields, calls });
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'x-served-by': `${identity.service}/${identity.version}/${identity.instance}`,
      };
      if (draining) headers.connection = 'close';
      response.writeHead(status, headers);
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    try {
      if (url.pathname === '/healthz') return answer(draining ? 503 : 200, {});
      if (!methods.includes(request.method)) {
        return answer(405, { error: `${request.method} is not served` });
      }
      if (DELAY_MS > 0) await new Promise((resolve) => setTimeout(resolve, DELAY_MS));
      if (Math.random() * 100 < FAIL_PERCENT) return answer(500, { error: 'it fails now and then' });
      const fields = await handle({
        method: request.method,
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        call: (service, path) => callService(service, path, request.headers, calls),
      });
      if (fields === undefined) answer(404, { error: `no such page: ${url.pathname}` });
      else answer(200, fields);
    } catch (error) {
      if (error instanceof CallError) answer(502, { error: error.message });
      else {
        console.error(error);
        answer(500, { error: 'internal error' });
      }
    }
  });
  // Longer than any proxy keeps an idle connection, so that the server is not the one to close it.
  server.keepAliveTimeout = 3_600_000;
  server.on('error', (error) => {
    console.error(`${name}: ${error.message}`);
    process.exit(1);
  });
  server.listen(port, '127.0.0.1', () => {
    console.log(
      `${name} ${identity.version} (${identity.instance}) listens on 127.0.0.1:${server.address().port}`,
    );
  });

  const stop = () => {
    if (draining) return;
    draining = true;
    // Stops accepting and closes idle connections; those with a request in flight close after its answer.
    server.close(() => process.exit(0));
    setTimeout(() => process.exit(1), DRAIN_TIMEOUT_MS).unref();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return server;
}

/** Whether the environment says where a service is. */
export function knows(service) {
  return serviceUrl(service) !== undefined;
}

function serviceUrl(service) {
  return process.env[`${service.toUpperCase().replaceAll('-', '_')}_URL`] || undefined;
}

async function callService(service, path, incoming, calls) {
  const base = serviceUrl(service);
  if (base === undefined) throw new CallError(service, 0, `${service.toUpperCase()}_URL is not set`);
  const headers = { accept: 'application/json' };
  for (const name of PASSED_ON) if (incoming[name] !== undefined) headers[name] = incoming[name];
  let reply;
  try {
    reply = await get(new URL(path, base), headers);
  } catch (error) {
    calls.push({ service, error: error.message });
    throw new CallError(service, 0, error.message);
  }
  let body;
  try {
    body = JSON.parse(reply.text);
  } catch {
    body = { error: reply.text.slice(0, 200) };
  }
  const { service: name = service, version, instance, calls: deeper = [], ...fields } = body;
  calls.push({ service: name, version, instance, status: reply.status, calls: deeper });
  if (reply.status !== 200) {
    throw new CallError(service, reply.status, `answered ${reply.status} ${body.error ?? ''}`.trim());
  }
  return fields;
}

function get(url, headers, again = true) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent, headers, timeout: CALL_TIMEOUT_MS }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${CALL_TIMEOUT_MS} ms`)));
    request.on('error', (error) => {
      // The other side may close an idle connection just as it is used again: one more try is safe for a GET.
      if (again && request.reusedSocket && error.code === 'ECONNRESET') resolve(get(url, headers, false));
      else reject(error);
    });
  });
}
