import { readFile } from 'node:fs/promises';
import { eventually } from '../../support/eventually.js';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';
import type { RowContext } from '../row-context.js';

/** A request through one of the listeners: the status that came back (0: the connection was closed), and who got it. */
function row(title: string, port: string): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      const { status } = await proxy.exchange('/tcp', { port, headers: [['Connection', 'close']] });
      const { received } = proxy.received();
      return { status, reached: Array.isArray(received) ? received.length : 0 };
    },
  };
}

async function logLines(proxy: RowContext): Promise<readonly string[]> {
  let lines: readonly string[] = [];
  await eventually(
    async () => {
      lines = (await readFile(`${proxy.logFile}.tcp`, 'utf8').catch(() => '')).split('\n').slice(0, -1);
      return lines.length >= 9;
    },
    () => `not all lines came: ${lines.join('\n')}`,
  );
  return lines.map((line) => proxy.normalised(line)).sort();
}

export const rbacTcp: ConformanceSuite = {
  file: '32-rbac-tcp',
  upstreams: ['b1'],
  rows: [
    row('who is allowed', 'ALLOWED'),
    row('nobody is allowed', 'NOBODY'),
    row('who is denied', 'DENIED'),
    row('no rules', 'NO_RULES'),
    row('denied in the shadow', 'SHADOW'),
    row('two filters', 'BOTH'),
    row('rules that log', 'LOGGED'),
    {
      title: 'denied later',
      observe: async (proxy) => {
        const since = performance.now();
        const { status } = await proxy.exchange('/tcp', { port: 'LATER' });
        const waitedMs = performance.now() - since;
        return { status, waited: waitedMs > 250 };
      },
    },
    row('rules in force all the time', 'CONTINUOUS'),
    row('before a connection manager', 'HTTP_DENIED'),
    row('before a connection manager, allowed', 'HTTP_ALLOWED'),
    { title: 'the access log of all that', observe: logLines },
    {
      title: 'counters',
      observe: async (proxy) => {
        const { body } = await proxy.exchange('/stats?filter=tcp.rbac&usedonly', {
          port: 'ADMIN',
          host: 'localhost',
        });
        return body
          .split('\n')
          .filter((line) => line !== '')
          .sort();
      },
    },
  ],
};
