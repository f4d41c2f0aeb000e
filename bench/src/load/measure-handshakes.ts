import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { type RunningProcess, startProcess } from '../machine/child-process.js';
import { peakRssBytes, processTreeCpuNs, processTreeMemory } from '../machine/process-usage.js';
import type { Subject, SubjectSetup } from '../subjects/subject.js';
import type { HandshakeCommand, HandshakeReport } from './handshake-protocol.js';
import type { MeasureOptions, Outcome } from './measure-subject.js';
import type { Measurement, ScenarioVariant } from './scenario.js';
import { WorkerClient } from './worker-client.js';

const DRIVER_FILE = fileURLToPath(new URL('./handshake-driver.js', import.meta.url));
const START_TIMEOUT_MS = 30_000;
const BYTES_PER_MB = 1_000_000;
/** As long as the marks were measured with: what runs once a connection is compiled late. */
const WARM_UP_CONNECTIONS = 600;
/** A window of this many connections for each second asked for. */
const CONNECTIONS_PER_SECOND = 400;
const AT_ONCE = 8;
const PROBE_EVERY_MS = 2;
/** Fewer resumed than this means that the row would not say what its name says. */
const LEAST_RESUMED_RATIO = 0.5;

type HandshakeVariant = Extract<ScenarioVariant, { kind: 'handshakes' | 'storm' }>;
type Driver = WorkerClient<HandshakeCommand, HandshakeReport>;

/** Starts a subject, has it shake hands and stops it. Errors: what goes wrong is in `failures`; nothing keeps running. */
export async function measureHandshakes(
  subject: Subject,
  setup: SubjectSetup,
  certificates: string,
  variant: HandshakeVariant,
  options: MeasureOptions,
): Promise<Outcome> {
  const side = variant.kind === 'storm' ? 'server' : variant.side;
  const resumes = variant.kind === 'handshakes' && variant.resumes;
  const failures: string[] = [];
  let measurement: Measurement = {};
  const drivers: Driver[] = [];
  const startDriver = async (): Promise<Driver> => {
    const log = path.join(setup.folder, `driver-${drivers.length}.log`);
    const driver = await WorkerClient.start<HandshakeCommand, HandshakeReport>(
      DRIVER_FILE,
      options.cores.loadCore,
      log,
    );
    drivers.push(driver);
    return driver;
  };
  let running: RunningProcess | undefined;
  try {
    const driver = await startDriver();
    const backendPort =
      side === 'server' ? setup.backendPort : (await driver.ask({ kind: 'serve-tls', certificates })).port;
    const { command } = subject.prepare({
      ...setup,
      backendPort,
      handshakes: { side, resumes, certificates },
    });
    const logFile = path.join(setup.folder, `${subject.name.replaceAll(' ', '-')}.log`);
    running = await startProcess({ command, core: options.cores.proxyCore, logFile });
    const connections = (count: number, concurrency: number): HandshakeCommand => {
      const common = { port: setup.listenPort, count, concurrency };
      return side === 'server'
        ? { kind: 'tls-clients', certificates, resume: resumes, ...common }
        : { kind: 'tcp-clients', ...common };
    };
    await untilShakingHands(running, () => driver.ask(connections(1, 1)));
    await driver.ask(connections(WARM_UP_CONNECTIONS, AT_ONCE));
    if (variant.kind === 'storm') {
      const probe = await startDriver();
      await probe.ask({ kind: 'probe', port: setup.listenPort, certificates, everyMs: PROBE_EVERY_MS });
      const storm = await measured(
        running.pid,
        driver,
        connections(variant.connections, variant.connections),
      );
      const stalls = await probe.ask({ kind: 'stop-probe' });
      failures.push(...problemsOf(storm.report), ...problemsOf(stalls));
      measurement = {
        ...storm.measurement,
        stallP99Ms: stalls.p99Ms,
        stallMaxMs: stalls.maxMs,
        peakRssMb: peakRssBytes(running.pid) / BYTES_PER_MB,
      };
    } else {
      const count = Math.round(options.seconds * CONNECTIONS_PER_SECOND);
      const { report, measurement: figures } = await measured(
        running.pid,
        driver,
        connections(count, AT_ONCE),
      );
      failures.push(...problemsOf(report));
      const resumedRatio = report.resumed / report.completed;
      if (resumes ? resumedRatio < LEAST_RESUMED_RATIO : report.resumed > 0) {
        failures.push(`${report.resumed} of ${report.completed} handshakes were resumed`);
      }
      measurement = {
        ...figures,
        ...(resumes ? { resumedPercent: resumedRatio * 100 } : {}),
        rssMb: processTreeMemory(running.pid).rssBytes / BYTES_PER_MB,
      };
    }
    if (running.hasExited) failures.push(`it ended under load: ${running.logTail()}`);
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  } finally {
    await running?.stop();
    await Promise.all(drivers.map((driver) => driver.stop()));
  }
  return { measurement, failures, worstTickMs: 0 };
}

async function measured(
  pid: number,
  driver: Driver,
  command: HandshakeCommand,
): Promise<{ readonly report: HandshakeReport; readonly measurement: Measurement }> {
  const beforeNs = processTreeCpuNs(pid);
  const report = await driver.ask(command);
  const usedNs = processTreeCpuNs(pid) - beforeNs;
  const measurement = {
    cpuUsPerHandshake: usedNs / 1_000 / report.completed,
    handshakesPerSecond: (report.completed / report.elapsedMs) * 1_000,
  };
  return { report, measurement };
}

async function untilShakingHands(
  subject: RunningProcess,
  one: () => Promise<HandshakeReport>,
): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    if (subject.hasExited) throw new Error(`it ended while starting: ${subject.logTail()}`);
    const report = await one();
    if (report.completed === 1) return;
    if (performance.now() > deadlineMs) {
      throw new Error(
        `no handshake after ${START_TIMEOUT_MS} ms (${report.firstFailure}): ${subject.logTail()}`,
      );
    }
    await delay(50);
  }
}

function problemsOf({ failed, firstFailure }: HandshakeReport): string[] {
  return failed === 0 ? [] : [`${failed} connections failed, the first: ${firstFailure}`];
}
