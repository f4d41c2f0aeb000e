import { readFile } from 'node:fs/promises';
import { eventually } from '../support/eventually.js';
import type { UpstreamReply } from '../support/recording-upstream.js';
import type { Observation, RequestOptions, RowContext } from './row-context.js';

/** An answer of an upstream with a short body. */
export function answer(status: number, ...fields: readonly string[]): UpstreamReply {
  return { bytes: [`HTTP/1.1 ${status} Scripted`, ...fields, 'Content-Length: 3', '', 'no\n'].join('\r\n') };
}

/** The status, and where each attempt went with which body. The rest is in the access log at the end. */
export async function attempts(
  proxy: RowContext,
  target: string,
  options: RequestOptions = {},
): Promise<{ readonly [what: string]: Observation }> {
  const { exchange, status, body } = await proxy.exchange(target, options);
  const went = [...proxy.upstreams.values()].flatMap((upstream) =>
    upstream
      .takeRecorded()
      .map(({ body: sent }) => (sent.length === 0 ? upstream.name : `${upstream.name} ${String(sent)}`)),
  );
  return {
    status,
    body: proxy.normalised(body),
    attempts: went,
    ...(exchange.closed ? { closed: true } : {}),
  };
}

/** The lines of the access log so far, once they are written. */
export async function accessLog(proxy: RowContext): Promise<readonly string[]> {
  const marker = '/no-such-route-at-the-end';
  await proxy.exchange(marker);
  let text = '';
  await eventually(
    async () => (text = await readFile(proxy.logFile, 'utf8')).includes(marker),
    () => `no line of the last request in ${text}`,
  );
  return text
    .trim()
    .split('\n')
    .map((line) => proxy.normalised(line));
}

/** The lines of the statistics that match, sorted. */
export async function counters(proxy: RowContext, wanted: RegExp): Promise<readonly string[]> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.port('ADMIN')}/stats`)).text();
  return text
    .split('\n')
    .filter((line) => wanted.test(line))
    .sort();
}
