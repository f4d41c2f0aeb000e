import { readFile } from 'node:fs/promises';
import { eventually } from '../../support/eventually.js';
import type { ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RowContext } from '../row-context.js';

/** All requests whose lines are looked at, the last one last. */
async function sendAll(proxy: RowContext): Promise<void> {
  const agent = ['User-Agent', 'conformance "quoted" \\ ü'] as const;
  await proxy.exchange('/routed/a?b=c', { headers: [agent] });
  await proxy.exchange('/routed', {
    method: 'POST',
    body: 'twelve bytes',
    host: 'long-authority.example.com',
  });
  await proxy.exchange('/direct', { headers: [agent] });
  await proxy.exchange('/direct', { method: 'HEAD' });
  await proxy.exchange('/missing');
  await proxy.exchange('/refused');
  await proxy.exchange('/no-route');
  proxy.upstream('b1').replyWith({});
  await proxy.exchange('/slow');
  await proxy.raw('GET /bad HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n');
  await proxy.exchange('/at-the-end-of-the-log');
  proxy.received();
}

async function lines(
  proxy: RowContext,
  kind: string,
  isLast: (line: string) => boolean,
): Promise<readonly string[]> {
  let found: readonly string[] = [];
  await eventually(
    async () => {
      found = (await readFile(`${proxy.logFile}.${kind}`, 'utf8').catch(() => '')).split('\n').slice(0, -1);
      return found.some(isLast);
    },
    () => `the last line of the ${kind} log did not come: ${found.join('\n')}`,
  );
  return found;
}

export const accessLogs: ConformanceSuite = {
  file: '19-access-logs',
  upstreams: ['b1'],
  rows: [
    {
      title: 'text',
      observe: async (proxy) => {
        await sendAll(proxy);
        const found = await lines(proxy, 'text', (line) => line.includes('/at-the-end'));
        return found.map((line) => proxy.normalised(line));
      },
    },
    {
      title: 'JSON',
      observe: async (proxy) => {
        const found = await lines(
          proxy,
          'json',
          (line) => line.includes('404') && line.split('route_not_found').length > 1,
        );
        return found.map((line) => JSON.parse(proxy.normalised(line)) as Observation);
      },
    },
    {
      title: 'the default form',
      observe: async (proxy) => {
        const found = await lines(proxy, 'default', (line) => line.includes('/at-the-end'));
        // Durations: of the request, and of the upstream.
        return found.map((line) =>
          proxy
            .normalised(line)
            .replace(/ (\d+) (\d+) (\d+) (\d+|-) "/, ' $2 <ms> <ms> "')
            .replaceAll(/((?:upstream_local|downstream_remote)_address":"127\.0\.0\.1):\d+/g, '$1:<any>')
            .replaceAll(/_?(?:duration|time)":\d+(?:\.\d+)?/g, (text) => text.replace(/[\d.]+$/, '"<ms>"')),
        );
      },
    },
    {
      title: 'errors alone',
      observe: async (proxy) => {
        const found = await lines(proxy, 'errors', (line) => line.includes('/at-the-end'));
        return found.map((line) => proxy.normalised(line));
      },
    },
  ],
};
