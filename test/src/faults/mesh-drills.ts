import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';
import { RunningProgram } from '../support/running-program.js';
import type { Drill, DrillGround, DrillOutcome } from './drill.js';
import { GET_CALLERS, MeshGround, POST_CALLERS } from './mesh-ground.js';
import { together, type SteadyCallers } from './steady-callers.js';

const POST_LOST =
  'a POST that was in the hands of what was killed may have been processed, so it is not sent again';
/** Most are answered when the hang is over; those whose connection is given up meanwhile are not. */
const POST_HANGS = 'a POST that hangs may be processed yet, so it is not sent again';
const HELD_BY_GATEWAY =
  'whoever was connected to the gateway lost the connection with it; nobody else can tell them';

/** Everybody is asked throughout; `act` does the harm and resolves when it is over. */
async function underLoad(
  ground: MeshGround,
  act: (callers: {
    readonly gets: SteadyCallers;
    readonly posts: SteadyCallers;
  }) => Promise<readonly string[]>,
): Promise<DrillOutcome> {
  await ground.settled();
  await ground.forgetPosts();
  const callers = ground.callers();
  const { gets, posts } = callers;
  let figures: readonly string[] = [];
  try {
    await gets.more(100);
    figures = await act(callers);
    await gets.more(100);
  } finally {
    await Promise.all([gets.stop(), posts.stop()]);
  }
  const twice = await ground.postsSeenTwice();
  const problems = twice.length === 0 ? [] : [`POSTs that came twice: ${twice.join(', ')}`];
  const getsFailed = [...gets.failures].map(([reason, count]) => `${count} × ${reason}`);
  return {
    ...together(gets, posts),
    figures: [
      ...figures,
      `${gets.requests} GETs${getsFailed.length === 0 ? ', none failed' : `, failed: ${getsFailed.join(', ')}`}`,
      `${posts.requests} POSTs, none twice`,
    ],
    problems,
  };
}

/** As `underLoad`, where GETs may not fail at all whatever is allowed to POSTs. */
async function getsUnharmed(
  ground: MeshGround,
  act: (callers: {
    readonly gets: SteadyCallers;
    readonly posts: SteadyCallers;
  }) => Promise<readonly string[]>,
): Promise<DrillOutcome> {
  let seen: SteadyCallers | undefined;
  const outcome = await underLoad(ground, (callers) => {
    seen = callers.gets;
    return act(callers);
  });
  const failed = seen?.failures.size ?? 0;
  return failed === 0 ? outcome : { ...outcome, problems: [...outcome.problems, 'GETs failed'] };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Stops a process in its tracks for a while. */
async function frozen<T>(pid: number, during: () => Promise<T>): Promise<T> {
  process.kill(pid, 'SIGSTOP');
  try {
    return await during();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

function pidOf(pid: number | undefined, what: string): number {
  if (pid === undefined) throw new Error(`${what} does not run`);
  return pid;
}

/** Faults of the processes of a whole mesh. */
export function meshDrills(): DrillGround {
  const ground = new MeshGround();
  const launcher = (): MeshGround['launcher'] => ground.launcher;

  const drills: Drill[] = [
    {
      name: 'kill -9 of one of two instances, three times',
      // One of each caller at each kill: in flight, or refused by the sidecar whose program is not back yet.
      allows: { atMost: 3 * POST_CALLERS, because: POST_LOST },
      run: () =>
        getsUnharmed(ground, async ({ gets }) => {
          for (let turn = 0; turn < 3; turn++) {
            const victim = ground.instance(0);
            process.kill(pidOf(victim.applicationPid, 'the instance'), 'SIGKILL');
            await gets.more(100);
            await ground.settled();
          }
          return ['killed 3 times'];
        }),
    },
    {
      name: 'kill -9 of the sidecar of one of two instances',
      allows: { atMost: POST_CALLERS, because: POST_LOST },
      run: () =>
        getsUnharmed(ground, async ({ gets }) => {
          const victim = ground.instance(0);
          const pid = pidOf(victim.sidecarPid, 'the sidecar');
          process.kill(pid, 'SIGKILL');
          await gets.more(100);
          await ground.settled();
          return [`another process serves: ${victim.sidecarPid !== pid ? 'yes' : 'no'}`];
        }),
    },
    {
      name: 'kill -9 of the gateway',
      // One for each of the callers' connections.
      allows: { atMost: GET_CALLERS + POST_CALLERS, because: HELD_BY_GATEWAY },
      run: () =>
        underLoad(ground, async ({ gets }) => {
          const [pid] = launcher().gatewayPids;
          process.kill(pidOf(pid, 'the gateway'), 'SIGKILL');
          // Those who come now wait in the queue of the listening socket.
          const newcomers = await Promise.all(
            Array.from({ length: 50 }, () => httpCall(ground.gatewayPort, '/')),
          );
          const refused = newcomers.filter(({ status }) => status !== 200);
          if (refused.length > 0) throw new Error(`newcomers failed: ${JSON.stringify(refused[0])}`);
          await gets.more(50);
          return ['50 who came while it was away were all served'];
        }),
    },
    {
      name: 'kill -9 of heddled',
      run: () =>
        underLoad(ground, async ({ gets }) => {
          const before = await ground.discovered();
          const pid = pidOf(launcher().controlPlanePid, 'heddled');
          process.kill(pid, 'SIGKILL');
          await gets.more(300);
          await eventually(
            () => launcher().controlPlanePid !== undefined && launcher().controlPlanePid !== pid,
            () => 'heddled was not started again',
          );
          await ground.settled();
          assert.deepEqual(await ground.discovered(), before, 'something was sent again');
          return ['nothing was sent again'];
        }),
    },
    {
      name: 'heddled hangs for 3 s',
      run: () =>
        underLoad(ground, async ({ gets }) => {
          await frozen(pidOf(launcher().controlPlanePid, 'heddled'), async () => {
            await pause(3000);
            await gets.more(50);
          });
          return [];
        }),
    },
    {
      name: 'a sidecar is killed while heddled hangs, and nobody can give it a certificate',
      allows: { atMost: POST_CALLERS, because: POST_LOST },
      run: () =>
        getsUnharmed(ground, async ({ gets }) => {
          const tookMs = await frozen(pidOf(launcher().controlPlanePid, 'heddled'), () =>
            ground.sidecarBackAfterKill(0),
          );
          await gets.more(100);
          return [`it served again after ${Math.round(tookMs)} ms, by the identity that it had`];
        }),
    },
    {
      name: 'every sidecar is killed, one after the other, while heddled is dead',
      allows: { atMost: 2 * POST_CALLERS, because: POST_LOST },
      run: () =>
        getsUnharmed(ground, async ({ gets }) => {
          const figures: string[] = [];
          await ground.withoutControlPlane(async () => {
            for (let index = 0; index < launcher().instances.length; index++) {
              const tookMs = await ground.sidecarBackAfterKill(index);
              figures.push(`served again after ${Math.round(tookMs)} ms`);
              await gets.more(100);
            }
          });
          await ground.untilConnected();
          return figures;
        }),
    },
    {
      name: 'the last good configuration of a sidecar is damaged, and it is killed',
      allows: { atMost: POST_CALLERS, because: POST_LOST },
      run: () =>
        getsUnharmed(ground, async ({ gets }) => {
          for (const file of await ground.lastGoodFiles())
            await writeFile(file, 'HEDDLE-LAST-GOOD 1 nonsense');
          const victim = ground.instance(0);
          process.kill(pidOf(victim.sidecarPid, 'the sidecar'), 'SIGKILL');
          await gets.more(100);
          await ground.settled();
          return ['heddled gave it everything again'];
        }),
    },
    {
      name: 'an instance hangs for 4 s',
      allows: { atMost: POST_CALLERS, because: POST_HANGS },
      run: () =>
        getsUnharmed(ground, async ({ gets }) => {
          const victim = ground.instance(0);
          await frozen(pidOf(victim.applicationPid, 'the instance'), async () => {
            await gets.more(100);
            await pause(4000);
          });
          return [];
        }),
    },
    {
      name: 'a sidecar hangs for 4 s',
      allows: { atMost: POST_CALLERS, because: POST_HANGS },
      run: () =>
        getsUnharmed(ground, async ({ gets }) => {
          const victim = ground.instance(0);
          await frozen(pidOf(victim.sidecarPid, 'the sidecar'), async () => {
            await gets.more(100);
            await pause(4000);
          });
          return [];
        }),
    },
    {
      name: 'every sidecar and program is replaced',
      run: () =>
        underLoad(ground, async () => {
          for (const instance of launcher().instances) {
            const failure = await instance.replaceSidecar();
            if (failure !== undefined) throw new Error(`a sidecar was not replaced: ${failure}`);
          }
          const before = launcher().instances.map(({ name }) => name);
          await ground.writeWorkload({ replicas: 2, greeting: 'again' });
          await eventually(
            () => launcher().instances.every(({ name }) => !before.includes(name)),
            () => `the old programs did not leave\n${ground.lastEvents}`,
            60_000,
          );
          await ground.settled();
          return ['sidecars, then programs'];
        }),
    },
    {
      name: 'one of three endpoints comes and goes each second',
      run: () =>
        underLoad(ground, async () => {
          const turns = 6;
          for (let turn = 0; turn < turns; turn++) {
            await ground.writeWorkload({ replicas: turn % 2 === 0 ? 3 : 2, greeting: 'again' });
            await pause(1000);
          }
          return [`${turns} times`];
        }),
    },
    {
      name: 'a mistake in the configuration, and its repair',
      run: () =>
        underLoad(ground, async ({ gets }) => {
          await ground.write('route.yaml', 'kind: "');
          await gets.more(100);
          await ground.writeRoute();
          return [];
        }),
    },
    {
      name: 'configuration changes ten times a second',
      run: () =>
        underLoad(ground, async () => {
          const turns = 50;
          for (let turn = 0; turn < turns; turn++) {
            await ground.writeRoute(String(turn));
            await pause(100);
          }
          await ground.writeRoute();
          return [`${turns} edits`];
        }),
    },
    {
      name: 'every certificate is renewed, and heddled hangs while it is asked for more',
      run: () =>
        underLoad(ground, async ({ gets }) => {
          const renewAll = (): Promise<unknown> =>
            Promise.all(
              ground.adminPorts.map((port) => httpCall(port, '/identity/renew', { method: 'POST' })),
            );
          await renewAll();
          await gets.more(50);
          await frozen(pidOf(launcher().controlPlanePid, 'heddled'), async () => {
            await renewAll();
            await gets.more(100);
            await pause(2000);
          });
          return [];
        }),
    },
    {
      name: 'the root of the mesh is exchanged',
      run: () =>
        underLoad(ground, async ({ gets }) => {
          const rotation = new RunningProgram(process.execPath, [
            fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli'))),
            ...['ca', 'rotate-root', '--state-dir', ground.stateFolder],
          ]);
          const { code } = await rotation.ended();
          if (code !== 0) throw new Error(`it ended with ${code}\n${rotation.output}`);
          await gets.more(100);
          return [rotation.output.trim().split('\n').at(-1) ?? ''];
        }),
    },
    {
      name: 'the clock of every process jumps an hour ahead, and back',
      run: () =>
        underLoad(ground, async ({ gets }) => {
          for (const offset of [3_600_000, 0, -600_000, 0]) {
            await ground.setClockOffset(offset);
            await pause(300);
            await gets.more(50);
          }
          return [];
        }),
    },
    {
      name: '2,000 connections at once',
      run: async () => {
        await ground.settled();
        const answers = await Promise.all(
          Array.from({ length: 2000 }, () => httpCall(ground.gatewayPort, '/')),
        );
        const failures = new Map<string, number>();
        for (const { status, body } of answers) {
          if (status !== 200) failures.set(`${status} ${body}`, (failures.get(`${status} ${body}`) ?? 0) + 1);
        }
        return { requests: answers.length, failures, figures: [], problems: [] };
      },
    },
  ];
  return {
    name: 'a mesh of a gateway and two instances, mutual TLS on every hop',
    drills,
    start: () => ground.start(),
    stop: () => ground.stop(),
  };
}
