import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';
import { rawExchange } from '../support/raw-exchange.js';
import type { Drill, DrillGround, DrillOutcome } from './drill.js';
import { FaultyUpstream } from './faulty-upstream.js';
import { ProxyGround, type ProxyOptions } from './proxy-ground.js';
import { LargeBodies, SLOWNESSES, SlowClients } from './slow-clients.js';
import { StallingRelay } from './stalling-relay.js';
import { during, GOOD_CALLERS, SteadyCallers } from './steady-callers.js';

/** Makes names stop being resolved in the process that loads it, while a file is there. */
const DNS_GONE = `
import dns from 'node:dns';
import { existsSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { lookup } = dns;
dns.lookup = (name, options, callback) => {
  if (name !== 'upstream.example') return lookup(name, options, callback);
  const answer = existsSync(process.env.DNS_GONE)
    ? [Object.assign(new Error('no answer from any server'), { code: 'EAI_AGAIN' })]
    : [null, [{ address: '127.0.0.1', family: 4 }]];
  setImmediate(() => callback(...answer));
};
syncBuiltinESMExports();
`;

/** Units: bytes. What objects and buffers of the proxy may take before it sheds, and what it may take of memory at worst. */
const MOST_HEAP_BYTES = 48 * 1024 * 1024;
const MOST_RESIDENT_BYTES = 300 * 1024 * 1024;

/**
 * Sheds requests as a proxy does by default, but at a limit that a drill can reach. Connections, which it refuses by default from 98 %
 * on, are not: everybody is to be told.
 */
function heapLimit(bytes: number): object {
  const monitor = 'envoy.resource_monitors.fixed_heap';
  const action = (name: string, value: number): object => ({
    name: `envoy.overload_actions.${name}`,
    triggers: [{ name: monitor, threshold: { value } }],
  });
  return {
    overload_manager: {
      refresh_interval: '0.05s',
      resource_monitors: [
        {
          name: monitor,
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig',
            max_heap_size_bytes: bytes,
          },
        },
      ],
      actions: [action('disable_http_keepalive', 0.92), action('stop_accepting_requests', 0.95)],
    },
  };
}

/** What a process takes of memory. Source: proc(5), VmRSS. */
async function residentBytes(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024;
}

/** Faults around one proxy. */
export function proxyDrills(): DrillGround {
  const upstream = new FaultyUpstream();
  let upstreamPort = 0;
  let folder = '';

  const withProxy = async (
    options: Omit<ProxyOptions, 'upstreamPort'>,
    run: (proxy: ProxyGround) => Promise<DrillOutcome>,
  ): Promise<DrillOutcome> => {
    const proxy = await ProxyGround.start({ ...options, upstreamPort });
    try {
      return await run(proxy);
    } finally {
      await proxy.stop();
    }
  };

  /** Good callers throughout; those of `path` beside them meet the fault, and have to be told so as `isTold` says. */
  const beside = (path: string, isTold: (failure: string) => boolean): Promise<DrillOutcome> =>
    withProxy({}, async (proxy) => {
      const good = new SteadyCallers({ port: proxy.port, callers: 8 });
      const harmed = new SteadyCallers({ port: proxy.port, callers: 4, path });
      await good.more(300);
      await harmed.more(20);
      await Promise.all([good.stop(), harmed.stop()]);
      const told = [...harmed.failures];
      const wrong = told.filter(([failure]) => !isTold(failure));
      const count = told.reduce((sum, [, times]) => sum + times, 0);
      return {
        requests: good.requests,
        failures: good.failures,
        figures: [
          `${count} of ${harmed.requests} that met it were told: ${told.map(([why]) => why).join(', ')}`,
        ],
        problems: [
          ...wrong.map(([failure]) => `not told as it should be: ${failure}`),
          ...(count === harmed.requests ? [] : ['some that met it were told nothing']),
        ],
      };
    });

  const drills: Drill[] = [
    {
      name: 'answers are reset in their middle',
      run: () => beside('/breaks-off', (failure) => failure.startsWith('within the answer')),
    },
    {
      name: 'an upstream stalls',
      run: () => beside('/stalls', (failure) => failure === '504 upstream request timeout'),
    },
    {
      name: 'an upstream hangs up on every try',
      run: () => beside('/hangs-up', (failure) => failure.startsWith('503 upstream connect error')),
    },
    {
      name: 'upstreams close one way after their answer, clients before it',
      run: () =>
        withProxy({}, (proxy) =>
          during(
            proxy.port,
            async (good) => {
              const gone = 50;
              for (let i = 0; i < gone; i++) {
                const head = 'GET / HTTP/1.1\r\nHost: half\r\n\r\n';
                const { answers } = await rawExchange(proxy.port, head, {
                  onWritten: (socket) => socket.end(),
                });
                if (answers.length > 0) throw new Error('a client that ends was answered');
              }
              await good.more(50);
              return [`${gone} clients that ended before their answer are gone, as with Envoy`];
            },
            '/until-end',
          ),
        ),
    },
    {
      name: 'clients vanish without a word',
      run: () =>
        withProxy({}, (proxy) =>
          during(proxy.port, async (good) => {
            for (let i = 0; i < 200; i++) {
              const socket = connect({ port: proxy.port, host: '127.0.0.1' }, () => {
                socket.write('GET /slow?ms=100 HTTP/1.1\r\nHost: gone\r\n\r\n', () =>
                  socket.resetAndDestroy(),
                );
              });
              socket.on('error', () => {});
            }
            await good.more(100);
            return ['200 reset their connection after they asked'];
          }),
        ),
    },
    {
      name: 'slow clients of each kind hold on',
      run: () =>
        withProxy({}, (proxy) =>
          during(proxy.port, async (good) => {
            const each = 60;
            const slow = SLOWNESSES.map((kind) => new SlowClients(proxy.port, kind, each));
            const connected = (): Promise<number> => proxy.counter('http.http.downstream_cx_active');
            try {
              await eventually(
                () => slow.every(({ open }) => open > 0),
                () => 'the slow ones are not connected',
              );
              const startedMs = performance.now();
              await eventually(
                async () => (await connected()) <= GOOD_CALLERS,
                () => `still connected: ${slow.map(({ open }, i) => `${SLOWNESSES[i]} ${open}`).join()}`,
                15_000,
              );
              await good.more(50);
              const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
              return [`${each} of each of ${SLOWNESSES.length} kinds were let go within ${seconds} s`];
            } finally {
              for (const one of slow) one.close();
            }
          }),
        ),
    },
    {
      name: 'memory runs short: bodies of 100 MB that nobody takes, and clients that do not read theirs',
      run: () =>
        withProxy({ further: heapLimit(MOST_HEAP_BYTES) }, async (proxy) => {
          await during(proxy.port, async () => []);
          const harm = new LargeBodies(proxy.port, 200);
          const meanwhile = new SteadyCallers({ port: proxy.port, callers: GOOD_CALLERS });
          let mostRss = 0;
          try {
            await eventually(
              async () => {
                mostRss = Math.max(mostRss, await residentBytes(proxy.program.pid));
                return meanwhile.failures.size > 0;
              },
              () => `nothing is shed; ${mostRss} bytes are in use`,
              60_000,
            );
            await meanwhile.more(200);
            mostRss = Math.max(mostRss, await residentBytes(proxy.program.pid));
          } finally {
            harm.close();
            await meanwhile.stop();
          }
          const shed = [...meanwhile.failures];
          await eventually(
            async () => (await httpCall(proxy.port, '/')).status === 200,
            () => `it does not recover\n${proxy.program.output}`,
            60_000,
          );
          const after = await during(proxy.port, async () => []);
          const told = shed.map(([reason, count]) => `${count} × ${reason}`).join(', ');
          return {
            ...after,
            figures: [
              `of ${meanwhile.requests} requests meanwhile were shed: ${told}`,
              `at most ${Math.round(mostRss / 2 ** 20)} MB in use`,
            ],
            problems: [
              ...shed
                .filter(([reason]) => reason !== '503 envoy overloaded')
                .map(([reason]) => `not told as it should be: ${reason}`),
              ...(proxy.program.exit === undefined ? [] : [`it ended\n${proxy.program.output}`]),
              ...(mostRss < MOST_RESIDENT_BYTES ? [] : [`${mostRss} bytes were in use`]),
            ],
          };
        }),
    },
    {
      name: 'one of two upstreams is cut off: nothing gets through, in either direction',
      run: async () => {
        const relay = new StallingRelay(() => upstreamPort);
        const cutPort = await relay.listen();
        const host = (port: number): object => ({
          endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
        });
        const cluster = {
          load_assignment: {
            cluster_name: 'upstream',
            endpoints: [{ lb_endpoints: [host(upstreamPort), host(cutPort)] }],
          },
          outlier_detection: {
            consecutive_local_origin_failure: 3,
            split_external_local_origin_errors: true,
            enforcing_consecutive_local_origin_failure: 100,
            interval: '0.5s',
            base_ejection_time: '1s',
            max_ejection_percent: 50,
          },
        };
        try {
          return await withProxy({ cluster }, (proxy) =>
            during(
              proxy.port,
              async (good) => {
                relay.cut();
                const ejected = (): Promise<number> =>
                  proxy.counter('cluster.upstream.outlier_detection.ejections_active');
                await eventually(
                  async () => (await ejected()) === 1,
                  () => 'the one that is cut off was not ejected',
                );
                await good.more(200);
                const timedOut = await proxy.counter('cluster.upstream.upstream_rq_per_try_timeout');
                relay.mend();
                await eventually(
                  async () => (await ejected()) === 0,
                  () => 'it did not come back',
                );
                await good.more(100);
                return [
                  `${timedOut} attempts were in vain and were made elsewhere; it was ejected, and is back`,
                ];
              },
              '/tried',
            ),
          );
        } finally {
          await relay.close();
        }
      },
    },
    {
      name: 'SIGTERM with requests in flight on connections that are kept',
      run: () =>
        withProxy({}, async (proxy) => {
          const inFlight = Array.from({ length: 100 }, () => httpCall(proxy.port, '/slow?ms=800'));
          const before = upstream.requests;
          await eventually(
            () => upstream.requests >= before + 90,
            () => 'the requests did not reach the upstream',
          );
          proxy.program.kill('SIGTERM');
          const answers = await Promise.all(inFlight);
          const failures = new Map<string, number>();
          for (const { status, body } of answers) {
            if (status !== 200)
              failures.set(`${status} ${body}`, (failures.get(`${status} ${body}`) ?? 0) + 1);
          }
          const { code } = await proxy.program.ended();
          return {
            requests: answers.length,
            failures,
            figures: [`ended with ${code}`],
            problems: code === 0 ? [] : [proxy.program.output],
          };
        }),
    },
    {
      name: 'the disk of the access log is full',
      run: () =>
        withProxy({ accessLog: '/dev/full' }, (proxy) =>
          during(proxy.port, async (good) => {
            await good.more(200);
            const failed = await proxy.counter('access_log_file.write_failed');
            return [`${failed} writes of the log failed`];
          }),
        ),
    },
    {
      name: 'no name can be resolved any more',
      run: () =>
        withProxy(
          {
            environment: {
              NODE_OPTIONS: `--import=${join(folder, 'dns-gone.mjs')}`,
              DNS_GONE: join(folder, 'dns-is-gone'),
            },
            cluster: {
              type: 'STRICT_DNS',
              dns_refresh_rate: '0.1s',
              load_assignment: {
                cluster_name: 'upstream',
                endpoints: [
                  {
                    lb_endpoints: [
                      {
                        endpoint: {
                          address: {
                            socket_address: { address: 'upstream.example', port_value: upstreamPort },
                          },
                        },
                      },
                    ],
                  },
                ],
              },
            },
          },
          (proxy) =>
            during(proxy.port, async (good) => {
              await writeFile(join(folder, 'dns-is-gone'), '');
              await eventually(
                async () => (await proxy.counter('cluster.upstream.update_failure')) >= 3,
                () => 'no look-up failed',
              );
              await good.more(50);
              const failed = await proxy.counter('cluster.upstream.update_failure');
              return [`${failed} look-ups failed`];
            }),
        ),
    },
  ];
  return {
    name: 'one proxy and what is around it',
    drills,
    start: async () => {
      upstreamPort = await upstream.listen();
      folder = await mkdtemp(join(tmpdir(), 'heddle-faults-'));
      await writeFile(join(folder, 'dns-gone.mjs'), DNS_GONE);
    },
    stop: async () => {
      await upstream.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
