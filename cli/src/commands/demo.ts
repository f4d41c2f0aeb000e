import { cp, mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError, systemClock, systemRandom } from '@heddle/common';
import { ShopClient } from '../demo/shop-client.js';
import { Stage } from '../demo/stage.js';
import { SteadyLoad } from '../demo/steady-load.js';
import { story } from '../demo/story.js';
import { describe, type Figure, type StoryStep } from '../demo/story-step.js';
import { HeddledClient } from '../launcher/heddled-client.js';
import { Launcher, type Interception } from '../launcher/launcher.js';
import { wrapped, type Terminal } from '../terminal.js';
import { describeEvent } from './report-events.js';
import { untilInterrupted } from './until-interrupted.js';

export interface DemoOptions {
  /** No person: assert every step, one line each, then end with 0 or 1. */
  readonly check: boolean;
  readonly interception: Interception;
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const READY_TIMEOUT_MS = 90_000;
const LOAD_PER_SECOND = 40;
const PAUSE_MS = 4_000;

/** Runs the sample application in a mesh and tells the story. Resolves with the exit code. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const shop = fileURLToPath(new URL('../../../examples/shop', import.meta.url));
  if (!existsSync(join(shop, 'mesh'))) {
    options.terminal.error(
      `the sample application is not at ${shop}: run the demo from a clone of the repository`,
    );
    return 1;
  }
  let launcher: Launcher | undefined;
  const { interrupted, dispose } = untilInterrupted(systemClock, () => launcher?.kill());
  const folder = await mkdtemp(join(tmpdir(), 'heddle-demo-'));
  let client: ShopClient | undefined;
  try {
    // A copy, for the story edits it. The programs come along: commands are relative to the YAML.
    await cp(shop, join(folder, 'shop'), { recursive: true });
    launcher = new Launcher({
      folders: [join(folder, 'shop', 'mesh')],
      stateFolder: join(folder, 'state'),
      apiPort: 15_080,
      interception: options.interception,
      clock: systemClock,
      random: systemRandom,
      environment: options.environment,
      report: (event) => {
        const text = describeEvent(event);
        if (
          text !== undefined &&
          (!options.check ||
            event.kind === 'crashed' ||
            event.kind === 'not-ready' ||
            event.kind === 'interception')
        ) {
          options.terminal.note(text);
        }
      },
    });
    const running = tell(options, launcher, folder, (made) => (client = made));
    // Ctrl-C ends the story wherever it is; what it had under way fails silently.
    const outcome = await Promise.race([running, interrupted.then(() => 'interrupted' as const)]);
    if (outcome === 'interrupted') {
      running.catch(() => undefined);
      return options.check ? 130 : 0;
    }
    if (outcome && !options.check) {
      options.terminal.say('\nThe mesh keeps running. Press Ctrl-C to end it.');
      options.terminal.say(`Its dashboard: http://127.0.0.1:${launcher.apiPort}/`);
      await interrupted;
    }
    return outcome ? 0 : 1;
  } catch (cause) {
    options.terminal.error(describeError(cause));
    return 1;
  } finally {
    if (!options.check) options.terminal.note('stopping everything');
    client?.close();
    await launcher?.stop();
    await rm(folder, { recursive: true, force: true });
    dispose();
  }
}

/** Resolves with whether every step held. */
async function tell(
  options: DemoOptions,
  launcher: Launcher,
  folder: string,
  onClient: (client: ShopClient) => void,
): Promise<boolean> {
  const { terminal, check } = options;
  const startedMs = systemClock.monotonicMs();
  terminal.say('Starting a control plane, a gateway and the shop, each program with a sidecar …');
  const mesh = await launcher.start();
  const gatewayPort = mesh.gatewayPorts['8080'];
  if (gatewayPort === undefined) throw new Error('the sample application has no Gateway on port 8080');
  if (!(await launcher.untilReady(READY_TIMEOUT_MS))) {
    const late = launcher.instances.filter(({ isReady }) => !isReady).map(({ name }) => name);
    throw new Error(
      `not everything became ready within ${READY_TIMEOUT_MS / 1000} s: ${late.join(', ') || 'a proxy'}`,
    );
  }
  const client = new ShopClient(gatewayPort);
  onClient(client);
  const seconds = ((systemClock.monotonicMs() - startedMs) / 1000).toFixed(1);
  terminal.say(
    `Everything is up after ${seconds} s. The gateway: http://127.0.0.1:${gatewayPort}/products/7`,
  );

  const load = new SteadyLoad(client, systemClock, LOAD_PER_SECOND);
  load.start();
  const stage = new Stage({
    launcher,
    client,
    heddled: new HeddledClient(mesh.controlPlane.apiPort, mesh.controlPlane.token),
    gatewayAdminPort: mesh.gatewayAdminPort,
    meshFolder: join(folder, 'shop', 'mesh'),
    storyFolder: join(folder, 'shop', 'story'),
    load,
    logsFolder: join(folder, 'state', 'logs'),
    clock: systemClock,
  });
  let held = true;
  for (const [index, step] of story.entries()) {
    held = (await play(options, stage, step, index + 1)) && held;
    if (!check) await new Promise<void>((resolve) => systemClock.setTimer(PAUSE_MS, resolve));
  }
  const { requests, failed, failures } = await load.stop();
  const figure = `${requests} requests of the steady load, ${failed} failed`;
  if (check) terminal.result(failed === 0, 'No request failed during the whole story', [figure], failures);
  else terminal.say(`\nThroughout: ${figure}.`);
  if (!check) load.start();
  return held && failed === 0;
}

async function play(options: DemoOptions, stage: Stage, step: StoryStep, number: number): Promise<boolean> {
  const { terminal, check } = options;
  if (!check) {
    terminal.heading(`${number}. ${step.title}`);
    for (const line of wrapped(step.explanation, 80)) terminal.say(line);
  }
  if (step.applies !== undefined) {
    const lines = await stage.apply(step.applies.story, step.applies.as, step.applies.fill);
    if (!check) terminal.code(step.applies.as, lines);
  }
  const { figures, failures } = await step.run(stage).catch((cause: unknown) => ({
    figures: [],
    failures: [describeError(cause)],
  }));
  if (check) terminal.result(failures.length === 0, step.title, figures.map(inWords), failures);
  else {
    for (const figure of figures) {
      if (typeof figure === 'string') terminal.figure(figure);
      else terminal.bars(figure.title, figure.counts);
    }
    for (const failure of failures) terminal.error(failure);
  }
  return failures.length === 0;
}

function inWords(figure: Figure): string {
  return typeof figure === 'string' ? figure : `${figure.title}: ${describe(figure.counts)}`;
}
