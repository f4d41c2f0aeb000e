import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type RunningProcess, startProcess } from '../machine/child-process.js';
import { processTreeCpuNs, processTreeMemory } from '../machine/process-usage.js';
import type { Subject, SubjectSetup } from '../subjects/subject.js';
import type { MeasureOptions, Outcome } from './measure-subject.js';
import type { Measurement, ScenarioVariant } from './scenario.js';
import type { TcpCommand, TcpReport } from './tcp-protocol.js';
import { WorkerClient } from './worker-client.js';

const DRIVER_FILE = fileURLToPath(new URL('./tcp-driver.js', import.meta.url));
const START_TIMEOUT_MS = 30_000;
const BYTES_PER_MB = 1_000_000;
const BYTES_PER_GB = 1_000_000_000;
const WARM_UP_CONNECTIONS = 2_000;
const WARM_UP_BYTES = 128 * BYTES_PER_MB;
/** A window of this many connections, or bytes, for each second asked for. */
const CONNECTIONS_PER_SECOND = 1_500;
const BYTES_PER_SECOND = 400 * BYTES_PER_MB;
const AT_ONCE = 8;
const TRANSFERS_AT_ONCE = 4;

type TcpVariant = Extract<ScenarioVariant, { kind: 'tcp' }>;

/** Starts a subject that relays bytes, has it do so and stops it. Errors: what goes wrong is in `failures`; nothing keeps running. */
export async function measureTcp(
  subject: Subject,
  setup: SubjectSetup,
  variant: TcpVariant,
  options: MeasureOptions,
): Promise<Outcome> {
  const failures: string[] = [];
  let measurement: Measurement = {};
  let running: RunningProcess | undefined;
  const log = path.join(setup.folder, 'driver.log');
  const driver = await WorkerClient.start<TcpCommand, TcpReport>(DRIVER_FILE, options.cores.loadCore, log);
  try {
    const { port: backendPort } = await driver.ask({ kind: 'serve' });
    const { command, stdoutFile } = subject.prepare({ ...setup, backendPort, tcp: true });
    const logFile = path.join(setup.folder, `${subject.name.replaceAll(' ', '-')}.log`);
    running = await startProcess({
      command,
      core: options.cores.proxyCore,
      logFile,
      ...(stdoutFile === undefined ? {} : { stdoutFile }),
    });
    const port = setup.listenPort;
    const connections = (count: number): TcpCommand => ({
      kind: 'connections',
      port,
      count,
      concurrency: Math.min(count, AT_ONCE),
    });
    const transfers = (direction: 'download' | 'upload', bytes: number): TcpCommand => ({
      kind: 'transfers',
      port,
      direction,
      connections: TRANSFERS_AT_ONCE,
      bytesEach: Math.round(bytes / TRANSFERS_AT_ONCE),
    });
    const { pid } = running;
    await untilRelaying(running, () => driver.ask(connections(1)));
    if (variant.does === 'connections') {
      await driver.ask(connections(WARM_UP_CONNECTIONS));
      const count = Math.round(options.seconds * CONNECTIONS_PER_SECOND);
      const beforeNs = processTreeCpuNs(pid);
      const report = await driver.ask(connections(count));
      const usedNs = processTreeCpuNs(pid) - beforeNs;
      failures.push(...problemsOf(report));
      measurement = {
        cpuUsPerConnection: usedNs / 1_000 / report.completed,
        connectionsPerSecond: (report.completed / report.elapsedMs) * 1_000,
      };
    } else {
      await driver.ask(transfers(variant.does, WARM_UP_BYTES));
      const bytes = options.seconds * BYTES_PER_SECOND;
      const beforeNs = processTreeCpuNs(pid);
      const report = await driver.ask(transfers(variant.does, bytes));
      const usedNs = processTreeCpuNs(pid) - beforeNs;
      failures.push(...problemsOf(report));
      measurement = {
        cpuMsPerGb: usedNs / 1_000_000 / (bytes / BYTES_PER_GB),
        megabytesPerSecond: bytes / BYTES_PER_MB / (report.elapsedMs / 1_000),
      };
    }
    measurement.rssMb = processTreeMemory(pid).rssBytes / BYTES_PER_MB;
    if (running.hasExited) failures.push(`it ended under load: ${running.logTail()}`);
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  } finally {
    await running?.stop();
    await driver.stop();
  }
  return { measurement, failures, worstTickMs: 0 };
}

async function untilRelaying(subject: RunningProcess, one: () => Promise<TcpReport>): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    if (subject.hasExited) throw new Error(`it ended while starting: ${subject.logTail()}`);
    const report = await one();
    if (report.completed === 1) return;
    if (performance.now() > deadlineMs) {
      throw new Error(
        `nothing was relayed for ${START_TIMEOUT_MS} ms (${report.firstFailure}): ${subject.logTail()}`,
      );
    }
    await delay(50);
  }
}

function problemsOf({ failed, firstFailure }: TcpReport): string[] {
  return failed === 0 ? [] : [`${failed} connections failed, the first: ${firstFailure}`];
}
