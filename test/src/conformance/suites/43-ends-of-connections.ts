import { Flag, frame, FrameType } from '@heddle/data-plane/testing';
import { RawHttp2Client, requestFields } from '../../security/raw-http2-client.js';
import { eventually } from '../../support/eventually.js';
import { ScriptedHttp2Upstream, type StreamScript } from '../../support/scripted-http2-upstream.js';
import { counters } from '../attempts.js';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RowContext } from '../row-context.js';

/** What a client saw of the end of its connection: GOAWAY frames with the last stream and the code of each. */
function ended(client: RawHttp2Client): { readonly [what: string]: Observation } {
  const goAways = client.frames
    .filter(({ type }) => type === FrameType.GoAway)
    .map(({ payload }) => [payload.readUInt32BE(0) & 0x7fffffff, payload.readUInt32BE(4)]);
  return { goAways, closed: client.closed };
}

/** A client of HTTP/2 that asks `requests` times at once, and what it saw when the proxy had ended its connection. */
function byHttp2(title: string, port: string, requests: number, held = false): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      let release = (): void => {};
      const gate = new Promise<void>((resolve) => (release = resolve));
      if (held) proxy.upstream('b1').replyWith({ bytes: 'default', after: gate });
      const client = await RawHttp2Client.connect(proxy.port(port));
      try {
        const ids = Array.from({ length: requests }, (_, i) => 2 * i + 1);
        for (const id of ids) client.headers(id, requestFields('/'));
        if (held) {
          await client.until(
            () => client.frames.filter(({ type }) => type === FrameType.GoAway).length === 2,
          );
          release();
        }
        const statuses = await Promise.all(ids.map(async (id) => (await client.outcome(id)).status ?? 0));
        await client.untilClosed();
        proxy.received();
        return { statuses, ...ended(client) };
      } finally {
        client.close();
      }
    },
  };
}

/** A client that answers `answers` pings and then no more. */
async function pinged(proxy: RowContext, answers: number): Promise<Observation> {
  const client = await RawHttp2Client.connect(proxy.port('PINGED'));
  const pings = (): Buffer[] =>
    client.frames
      .filter(({ type, flags }) => type === FrameType.Ping && flags === 0)
      .map(({ payload }) => payload);
  try {
    for (let i = 0; i < answers; i++) {
      await client.until(() => pings().length > i);
      client.send(frame(FrameType.Ping, Flag.Ack, 0, pings()[i]));
    }
    await client.untilClosed();
    return { pings: pings().length, ...ended(client) };
  } finally {
    client.close();
  }
}

/** One request to an upstream that does with it and the next what `scripts` say. */
function upstream(
  title: string,
  path: string,
  scripts: readonly StreamScript[],
  requests = 1,
): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      const server = await ScriptedHttp2Upstream.listen(proxy.port('H2'), scripts, scripts[0] !== 'silence');
      try {
        const statuses: number[] = [];
        for (let i = 0; i < requests; i++) statuses.push((await proxy.exchange(path)).status);
        return { statuses, connections: server.connections, requests: server.requests };
      } finally {
        await server.close();
        await noConnections(proxy);
      }
    },
  };
}

/** So that no row begins with a connection that is about to be known as gone. */
async function noConnections(proxy: RowContext): Promise<void> {
  await eventually(
    async () => (await counters(proxy, /^cluster\.h2.*\.upstream_cx_active: [1-9]/)).length === 0,
    () => 'connections to the upstream stay',
  );
}

export const endsOfConnections: ConformanceSuite = {
  file: '43-ends-of-connections',
  upstreams: ['b1'],
  rows: [
    byHttp2('as many requests as one connection may have', 'REQUESTS', 3),
    byHttp2('one more, before the client knows', 'REQUESTS', 4),
    byHttp2('a connection that lives as long as it may', 'DURATION', 0),
    byHttp2(
      'a connection that lives as long as it may, with a request that takes longer',
      'DURATION',
      1,
      true,
    ),
    byHttp2('a connection that is idle', 'IDLE', 0),
    byHttp2('a connection that is idle after a request', 'IDLE', 1),
    { title: 'a client that answers no ping', observe: (proxy) => pinged(proxy, 0) },
    { title: 'a client that answers two pings', observe: (proxy) => pinged(proxy, 2) },
    {
      title: 'HTTP/1.1: as many requests as one connection may have',
      observe: (proxy) => {
        const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
        return proxy.raw(get.repeat(4), { port: 'REQUESTS', untilClosed: true });
      },
    },
    {
      title: 'what is counted of clients',
      observe: (proxy) =>
        counters(
          proxy,
          /^(http\.(requests|duration|idle|pinged)\.downstream_cx_(max_\w+|idle_timeout|drain_close|protocol_error)|http2\.keepalive_timeout): /,
        ),
    },
    upstream('answered', '/h2/', [], 2),
    ...(['refuse', 'cancel', 'go away'] as const).flatMap((script) => [
      upstream(`${script}, without retries`, '/h2/', [script]),
      ...['refused-stream', 'reset', '5xx', 'connect-failure'].map((condition) =>
        upstream(`${script}, retried on ${condition}`, `/retried/${condition}`, [script]),
      ),
    ]),
    upstream('one request for a connection', '/h2-once/', [], 3),
    {
      title: 'a connection that lives as long as it may, to an upstream',
      observe: async (proxy) => {
        const server = await ScriptedHttp2Upstream.listen(proxy.port('H2'));
        try {
          const { status } = await proxy.exchange('/h2-old/');
          await noConnections(proxy);
          return {
            status,
            again: (await proxy.exchange('/h2-old/')).status,
            connections: server.connections,
          };
        } finally {
          await server.close();
          await noConnections(proxy);
        }
      },
    },
    upstream('an upstream that answers no ping', '/h2-pinged/', ['silence']),
    {
      title: 'an upstream that answers pings',
      observe: async (proxy) => {
        const server = await ScriptedHttp2Upstream.listen(proxy.port('H2'));
        try {
          const { status } = await proxy.exchange('/h2-pinged/');
          await eventually(
            () => server.pings >= 6,
            () => `${server.pings} pings came`,
          );
          return {
            status,
            again: (await proxy.exchange('/h2-pinged/')).status,
            connections: server.connections,
          };
        } finally {
          await server.close();
          await noConnections(proxy);
        }
      },
    },
    {
      title: 'what is counted of upstreams',
      observe: (proxy) =>
        counters(
          proxy,
          /^cluster\.h2[\w-]*\.(http2\.(keepalive_timeout|rx_reset)|upstream_cx_(max_requests|max_duration_reached|close_notify)|upstream_rq_(retry|retry_success|rx_reset)|upstream_cx_http2_total): [1-9]/,
        ),
    },
  ],
};
