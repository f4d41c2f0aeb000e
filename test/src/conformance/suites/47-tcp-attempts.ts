import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { eventually } from '../../support/eventually.js';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RowContext } from '../row-context.js';

const GET = 'GET /tcp HTTP/1.1\r\nHost: a\r\n\r\n';

/** The first line of what comes back for a request, and how the connection ended: by the client, once it was answered, or before. */
function ask(proxy: RowContext, port: string, text = GET): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    let isAnswered = false;
    const socket = connect(proxy.port(port), '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      isAnswered = got.includes('/tcp\n');
      if (isAnswered) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () =>
      resolve(isAnswered ? (got.split('\r\n')[0] as string) : `closed after "${got}"`),
    );
  });
}

/** Stays after an answer, until the proxy ends it. */
function stay(proxy: RowContext, port: string): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    const socket = connect(proxy.port(port), '127.0.0.1', () => socket.write(GET));
    socket.on('data', (chunk) => (got += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(`closed after ${got.split('\r\n')[0] as string}`));
  });
}

/** What the log says of the connections of a listener, once it says so of `count`. */
async function logged(proxy: RowContext, listener: string, count: number): Promise<readonly string[]> {
  let lines: readonly string[] = [];
  await eventually(
    async () => {
      const text = await readFile(proxy.logFile, 'utf8').catch(() => '');
      lines = text.split('\n').filter((line) => line.startsWith(`${listener} `));
      return lines.length >= count;
    },
    () => `only ${lines.join('\n')}`,
  );
  return lines.map((line) => proxy.normalised(line)).sort();
}

/** Counters that are not 0, without what other rows change too. */
async function counters(proxy: RowContext, cluster: string): Promise<readonly string[]> {
  const { body } = await proxy.exchange(`/stats?filter=^cluster.${cluster}.upstream_cx_(total|connect)`, {
    port: 'ADMIN',
    host: 'localhost',
  });
  return body
    .split('\n')
    .filter((line) => /: [1-9]/.test(line) && !line.includes('_ms'))
    .sort();
}

function row(title: string, port: string, connections: number, cluster: string): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      const answers: string[] = [];
      for (let i = 0; i < connections; i++) answers.push(await ask(proxy, port));
      proxy.received();
      const result: { readonly [what: string]: Observation } = {
        answers: answers.sort(),
        log: await logged(proxy, port.toLowerCase(), connections),
        counters: await counters(proxy, cluster),
      };
      return result;
    },
  };
}

function lastingRow(title: string, port: string): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      const answer = await stay(proxy, port);
      proxy.received();
      return { answer, log: await logged(proxy, port.toLowerCase(), 1) };
    },
  };
}

export const tcpAttempts: ConformanceSuite = {
  file: '47-tcp-attempts',
  upstreams: ['b1'],
  rows: [
    row('one attempt, where every other host refuses', 'ONCE', 4, 'once'),
    {
      title: 'three attempts, where every other host refuses',
      observe: async (proxy) => {
        const answers: string[] = [];
        for (let i = 0; i < 4; i++) answers.push(await ask(proxy, 'THRICE'));
        proxy.received();
        // Which host is the first is left to chance.
        const log = await logged(proxy, 'thrice', 4);
        return { answers, afterFailures: [...new Set(log.filter((line) => line.includes('UF')))] };
      },
    },
    row('three attempts, where all refuse', 'REFUSED_THRICE', 1, 'refused'),
    lastingRow('a connection that is quiet', 'QUIET'),
    lastingRow('a connection that lasts too long', 'SHORT'),
  ],
};
