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
      await plane.close();
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
            plane.leave();
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
            plane.leave();
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
        name: 'nothing gets through between the proxy and its control plane for 3 s',
        run: () =>
          withPlane([], (plane, proxy) =>
            during(proxy.port, async (callers) => {
              plane.wire.cut();
              const pushed = plane.pushEndpoints(1);
              await callers.more(300);
              await new Promise((resolve) => setTimeout(resolve, 3000));
              await callers.more(100);
              plane.wire.mend();
              await pushed;
              return ['what was pushed meanwhile came when the wire was whole again'];
            }),
          ),
      },
      {
        name: 'the proxy starts again while nothing gets through to its control plane',
        run: () =>
          withPlane([], async (plane, proxy) => {
            await plane.untilKept(proxy);
            plane.wire.cut();
            await killed(proxy);
            proxy.restart();
            await proxy.untilReady();
            return during(proxy.port, async () => {
              plane.wire.mend();
              await eventually(
                async () => (await proxy.counter('control_plane.connected_state')) === 1,
                () => 'it is not connected again',
                60_000,
              );
              await plane.pushEndpoints(2);
              return ['it serves its last good configuration, and takes the next one when it comes'];
            });
          }),
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
