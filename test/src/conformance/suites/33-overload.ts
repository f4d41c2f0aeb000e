import { rename, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { RawHttp2Client, requestFields } from '../../security/raw-http2-client.js';
import { eventually } from '../../support/eventually.js';
import { httpCall } from '../../support/http-call.js';
import { accessLog, counters } from '../attempts.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RequestOptions, RowContext } from '../row-context.js';

type Row = ConformanceSuite['rows'][number];

/** Renamed into place, which is what Envoy waits for. */
async function press(proxy: RowContext, name: string, pressure: number): Promise<void> {
  const file = join(dirname(proxy.logFile), name);
  await writeFile(`${file}.next`, String(pressure));
  await rename(`${file}.next`, file);
  const wanted = `overload.${name}.pressure: ${Math.round(pressure * 100)}`;
  let seen = '';
  await eventually(
    async () => (seen = (await httpCall(proxy.port('ADMIN'), '/stats')).body).includes(`${wanted}\n`),
    () => `${wanted} was not seen in ${seen}`,
  );
  // Envoy's workers are told a moment later, and say nowhere that they know.
  await setTimeout(100);
}

function under(title: string, name: string, pressure: number, observe: Row['observe']): Row {
  return {
    title,
    observe: async (proxy) => {
      await press(proxy, name, pressure);
      try {
        return await observe(proxy);
      } finally {
        await press(proxy, name, 0);
      }
    },
  };
}

const asked = (title: string, target: string, options: RequestOptions = {}): Row =>
  under(title, 'requests', 0.95, (proxy) => proxy.request(target, options));

/** Whether some of many requests are refused, and some are not. */
async function shareOf(proxy: RowContext): Promise<Observation> {
  const seen = new Set<number>();
  for (let i = 0; i < 60; i++) seen.add((await proxy.exchange('/routed/share')).status);
  proxy.received();
  return [...seen].sort();
}

/** Only what the answer says: when an Envoy under pressure closes is another matter. */
async function notKept(proxy: RowContext): Promise<Observation> {
  const { status, headers } = await httpCall(proxy.port('HTTP'), '/routed/closing', {
    headers: { connection: 'keep-alive' },
  });
  proxy.received();
  return { status, connection: String(headers['connection']) };
}

/** Requests by HTTP/2, one after the other: what they are answered, and whether the client is told to go away. */
async function byHttp2(proxy: RowContext, requests: number): Promise<Observation> {
  const client = await RawHttp2Client.connect(proxy.port('HTTP'));
  try {
    const statuses: number[] = [];
    for (let i = 0; i < requests; i++) {
      client.headers(2 * i + 1, requestFields('/routed/http2'));
      statuses.push((await client.outcome(2 * i + 1)).status ?? 0);
    }
    proxy.received();
    return { statuses, goesAway: client.goAway !== undefined };
  } finally {
    client.close();
  }
}

async function counted(proxy: RowContext): Promise<Observation> {
  const lines = await counters(
    proxy,
    /^overload\..*\.(active|scale_percent): |^(http\.http|listener\.127).*(cx_overload_|global_cx_overflow)/,
  );
  return lines.map((line) => line.replace(/^listener\.127\.0\.0\.1_\d+/, 'listener.<HTTP>')).sort();
}

/** What a connection sees that comes while none is accepted, and when they are again. */
async function notAccepted(proxy: RowContext): Promise<Observation> {
  await press(proxy, 'stopped', 0.9);
  const status = proxy.exchange('/routed/stopped').then((answered) => answered.status);
  const early = await Promise.race([status, setTimeout(300, 'it waits')]);
  await press(proxy, 'stopped', 0);
  const late = await status;
  proxy.received();
  return { early, late };
}

/** Connections that stay open until the end, and what the last of them is told. */
async function tooMany(proxy: RowContext): Promise<Observation> {
  const sockets: Socket[] = [];
  const closed: number[] = [];
  try {
    for (let i = 0; i < 7; i++) {
      const socket = connect(proxy.port('HTTP'), '127.0.0.1');
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => closed.push(i));
      await new Promise((resolve) => socket.once('connect', resolve));
    }
    await eventually(
      () => Promise.resolve(closed.length >= 2),
      () => `${closed.length} connections were closed`,
    );
    return [...closed].sort();
  } finally {
    for (const socket of sockets) socket.destroy();
    await eventually(
      async () => (await counters(proxy, /^http\.http\.downstream_cx_active: 0$/)).length === 1,
      () => 'connections are left',
    );
  }
}

export const overload: ConformanceSuite = {
  file: '33-overload',
  upstreams: ['b1'],
  rows: [
    { title: 'without pressure', observe: (proxy) => proxy.request('/routed/calm') },
    asked('under pressure', '/routed/pressed'),
    asked('under pressure, with a body', '/routed/body', { method: 'POST', body: 'hello' }),
    asked('under pressure, HEAD', '/routed/head', { method: 'HEAD' }),
    asked('under pressure, gRPC', '/routed/grpc', {
      method: 'POST',
      headers: [['content-type', 'application/grpc']],
      body: '',
    }),
    asked('under pressure, no route', '/nowhere'),
    under('a little less pressure', 'requests', 0.94, (proxy) => proxy.request('/routed/less')),
    { title: 'after the pressure', observe: (proxy) => proxy.request('/routed/after') },
    under('a share is refused', 'share', 0.5, shareOf),
    under('below where the share begins', 'share', 0.2, shareOf),
    under('where the share is everything', 'share', 0.8, shareOf),
    under('connections are not kept', 'keepalive', 0.9, notKept),
    under('under pressure, HTTP/2', 'requests', 0.95, (proxy) => byHttp2(proxy, 2)),
    under('connections of HTTP/2 are not kept', 'keepalive', 0.9, (proxy) => byHttp2(proxy, 1)),
    { title: 'after the pressure, HTTP/2', observe: (proxy) => byHttp2(proxy, 2) },
    under('connections are rejected', 'rejected', 0.9, (proxy) => proxy.request('/routed/rejected')),
    { title: 'more connections than there may be', observe: tooMany },
    { title: 'counters', observe: counted },
    { title: 'connections are not accepted', observe: notAccepted },
    {
      title: 'what each of these is in the access log',
      observe: async (proxy) =>
        (await accessLog(proxy)).filter((line) => !/share|no-such-route/.test(line)).sort(),
    },
  ],
};
