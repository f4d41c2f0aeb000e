import { writeFile } from 'node:fs/promises';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';
import type { DrillGround, DrillOutcome } from './drill.js';
import { FaultyUpstream } from './faulty-upstream.js';
import { PlaneOfOneRoute } from './plane-of-one-route.js';
import type { ProxyGround } from './proxy-ground.js';
import { during } from './steady-callers.js';

/** Faults between one proxy and its control plane. */
export function controlPlaneDrills(): DrillGround {
  const upstream = new FaultyUpstream();
  let upstreamPort = 0;

  const withPlane = async (
    args: readonly string[],
    run: (plane: PlaneOfOneRoute, proxy: ProxyGround) => Promise<DrillOutcome>,
  ): Promise<DrillOutcome> => {
    const plane = await PlaneOfOneRoute.start(upstreamPort);
    const proxy = await plane.startProxy(args);
    try {
      return await run(plane, proxy);
    } finally {
      await proxy.stop();
      plane.close();
    }
  };
  const killed = async (proxy: ProxyGround): Promise<void> => {
    proxy.program.kill('SIGKILL');
    await proxy.program.ended();
  };

  return {
    name: 'one proxy and its control plane',
    start: async () => {
      upstreamPort = await upstream.listen();
    },
    stop: () => upstream.close(),
    drills: [
      {
        name: 'the control plane is away when the proxy starts again',
        run: () =>
          withPlane([], async (plane, proxy) => {
            await plane.untilKept(proxy);
            plane.close();
            await killed(proxy);
            proxy.restart();
            await proxy.untilReady();
            return during(proxy.port, async () => ['it serves its last good configuration']);
          }),
      },
      {
        name: 'the last good configuration is damaged, and the control plane comes back later',
        run: () =>
          withPlane([], async (plane, proxy) => {
            const file = await plane.untilKept(proxy);
            plane.close();
            await killed(proxy);
            await writeFile(file, 'HEDDLE-LAST-GOOD 1 and nothing that follows from it');
            proxy.restart();
            await eventually(
              () => proxy.program.output.includes('cannot be used'),
              () => proxy.program.output,
            );
            if ((await httpCall(proxy.adminPort, '/ready')).status === 200)
              throw new Error('it was ready with nothing to serve');
            await plane.listenAgain();
            await proxy.untilReady();
            return during(proxy.port, async () => ['it said so, and waited for the control plane']);
          }),
      },
      {
        name: 'a push is refused',
        run: () =>
          withPlane([], (plane, proxy) =>
            during(proxy.port, async (callers) => {
              const nack = await plane.pushBroken();
              await callers.more(100);
              return [`the control plane was told: ${nack}`];
            }),
          ),
      },
      {
        name: 'the folder of the last good configuration cannot be written',
        run: () =>
          withPlane(['--state-dir', '/dev/null/nowhere'], (_plane, proxy) =>
            during(proxy.port, async () => {
              const failures = (): Promise<number> => proxy.counter('xds.last_good.write_failure');
              await eventually(
                async () => (await failures()) > 0,
                () => 'no write failed',
              );
              return [`${await failures()} writes failed`];
            }),
          ),
      },
      {
        name: 'endpoints and routes are pushed as fast as they are taken',
        run: () =>
          withPlane([], (plane, proxy) =>
            during(proxy.port, async () => {
              const turns = 300;
              for (let turn = 0; turn < turns; turn++) await plane.pushEndpoints(turn);
              return [`${turns} times`];
            }),
          ),
      },
    ],
  };
}
