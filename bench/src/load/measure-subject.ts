import { createReadStream, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { type RunningProcess, startProcess, waitUntilServing } from '../machine/child-process.js';
import type { CorePlan } from '../machine/cores.js';
import { processTreeCpuNs, processTreeMemory } from '../machine/process-usage.js';
import { allTargets, lastTarget } from '../subjects/routing-shape.js';
import type { Subject, SubjectSetup } from '../subjects/subject.js';
import { BODY_SIZES } from './body-size.js';
import { GRPC_MESSAGE, MESSAGES_PER_STREAM } from './http2-load.js';
import type { GeneratorCommand, GeneratorReport } from './generator-protocol.js';
import { measureHandshakes } from './measure-handshakes.js';
import { measureTcp } from './measure-tcp.js';
import type { Measurement, ScenarioVariant } from './scenario.js';
import { WorkerClient } from './worker-client.js';

const GENERATOR_FILE = fileURLToPath(new URL('./generator.js', import.meta.url));
const START_TIMEOUT_MS = 30_000;
const BYTES_PER_MB = 1_000_000;
/** Lines may be lost to the last flush of a killed proxy; more missing means that the log was off. */
const LOGGED_RATIO = 0.99;

export interface MeasureOptions {
  readonly cores: CorePlan;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly ratePerSecond: number;
}

export interface Latency {
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Figures of one start of one subject. `failures` names every reason for which they must not be believed. */
export interface Outcome {
  readonly measurement: Measurement;
  readonly failures: readonly string[];
  readonly worstTickMs: number;
}

type Generator = WorkerClient<GeneratorCommand, GeneratorReport>;
type LoadVariant = Extract<ScenarioVariant, { kind: 'load' }>;
type PlainVariant = Extract<ScenarioVariant, { kind: 'load' | 'idle' }>;

/** What a subject is started with in a round, and what a second one beside it needs. */
export interface RoundSetup extends SubjectSetup {
  /** Folder of certificates for both sides. */
  readonly certificates: string;
  /** Where the server's side of a pair listens, and its admin pages. */
  readonly pairPort: number;
  readonly pairAdminPort: number;
}

/** Starts a subject, measures it and stops it. Errors: what goes wrong is in `failures`; nothing keeps running. */
export function measureSubject(
  subject: Subject,
  setup: RoundSetup,
  variant: ScenarioVariant,
  direct: Latency | undefined,
  options: MeasureOptions,
): Promise<Outcome> {
  if (variant.kind === 'handshakes' || variant.kind === 'storm') {
    return measureHandshakes(subject, setup, setup.certificates, variant, options);
  }
  if (variant.kind === 'tcp') return measureTcp(subject, setup, variant, options);
  if (variant.kind === 'load' && variant.mtls !== undefined) {
    return measurePair(subject, setup, { ...variant, mtls: variant.mtls }, direct, options);
  }
  return measureOne(subject, setup, setup.listenPort, variant, direct, options);
}

/** Two of the subject, one on each side of mutual TLS; both share the proxies' core, and one of them is measured. */
async function measurePair(
  subject: Subject,
  setup: RoundSetup,
  variant: LoadVariant & { readonly mtls: 'client' | 'server' },
  direct: Latency | undefined,
  options: MeasureOptions,
): Promise<Outcome> {
  const { certificates } = setup;
  const folder = path.join(setup.folder, 'other-side');
  mkdirSync(folder, { recursive: true });
  const sides = {
    client: { listenPort: setup.listenPort, backendPort: setup.pairPort },
    server: { listenPort: setup.pairPort, backendPort: setup.backendPort },
  };
  const measuredSide = variant.mtls;
  const otherSide = measuredSide === 'client' ? 'server' : 'client';
  const other = subject.prepare({
    ...setup,
    ...sides[otherSide],
    adminPort: setup.pairAdminPort,
    folder,
    mtls: { side: otherSide, certificates },
  });
  const companion = await startProcess({
    command: other.command,
    core: options.cores.proxyCore,
    logFile: path.join(folder, 'log'),
  });
  try {
    return await measureOne(
      subject,
      { ...setup, ...sides[measuredSide], mtls: { side: measuredSide, certificates } },
      setup.listenPort,
      variant,
      direct,
      options,
    );
  } finally {
    await companion.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureOne(
  subject: Subject,
  setup: SubjectSetup,
  entryPort: number,
  variant: PlainVariant,
  direct: Latency | undefined,
  options: MeasureOptions,
): Promise<Outcome> {
  const accessLogFile = path.join(setup.folder, 'access.log');
  rmSync(accessLogFile, { force: true });
  const { command, stdoutFile } = subject.prepare(setup);
  const logFile = path.join(setup.folder, `${subject.name.replaceAll(' ', '-')}.log`);
  const failures: string[] = [];
  let measurement: Measurement = {};
  let worstTickMs = 0;
  let served = 0;
  let running: RunningProcess | undefined;
  try {
    const startMs = performance.now();
    running = await startProcess({
      command,
      core: options.cores.proxyCore,
      logFile,
      ...(stdoutFile === undefined ? {} : { stdoutFile }),
    });
    await waitUntilServing(running, entryPort, probeFor(variant), START_TIMEOUT_MS);
    const readyMs = performance.now() - startMs;
    if (variant.kind === 'idle') {
      await delay(variant.settleMs);
      measurement = { readyMs, ...memoryOf(running.pid) };
    } else {
      const load = await measureLoad(running.pid, setup.folder, entryPort, variant, direct, options);
      measurement = load.measurement;
      served = load.report.totalCompleted;
      worstTickMs = load.report.worstTickMs;
      if (load.report.failed > 0) {
        failures.push(`${load.report.failed} requests failed, the first: ${load.report.firstFailure}`);
      }
    }
    if (running.hasExited) failures.push(`it ended under load: ${running.logTail()}`);
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  } finally {
    await running?.stop();
  }
  const logged = served === 0 ? 0 : await countLines(accessLogFile);
  const requests = Math.floor(served / messagesPerRequest(variant));
  if (logged < requests * LOGGED_RATIO)
    failures.push(`its access log has ${logged} lines for ${requests} requests`);
  rmSync(accessLogFile, { force: true });
  return { measurement, failures, worstTickMs };
}

/** Latency without any proxy, from which those of the subjects in the same round are told apart. */
export async function measureDirect(
  backendPort: number,
  variant: LoadVariant,
  logFile: string,
  options: MeasureOptions,
): Promise<Latency> {
  const generator = await startGenerator(options, logFile);
  try {
    await connect(generator, backendPort, variant);
    await generator.ask({
      kind: 'open-loop',
      ratePerSecond: options.ratePerSecond,
      seconds: options.warmUpSeconds,
    });
    const report = await openLoop(generator, options);
    if (report.failed > 0) throw new Error(`the backend failed: ${report.firstFailure}`);
    return latencyOf(report);
  } finally {
    await generator.stop();
  }
}

async function measureLoad(
  pid: number,
  folder: string,
  entryPort: number,
  variant: LoadVariant,
  direct: Latency | undefined,
  options: MeasureOptions,
): Promise<{ measurement: Measurement; report: GeneratorReport }> {
  const generator = await startGenerator(options, path.join(folder, 'generator.log'));
  try {
    await connect(generator, entryPort, variant);
    await generator.ask({ kind: 'closed-loop' });
    await delay(options.warmUpSeconds * 1_000);
    await generator.ask({ kind: 'mark' });
    const cpuBeforeNs = processTreeCpuNs(pid);
    await delay(options.seconds * 1_000);
    const measured = await generator.ask({ kind: 'measure' });
    const cpuAfterNs = processTreeCpuNs(pid);
    let report = await generator.ask({ kind: 'pause' });
    if (measured.completed === 0)
      throw new Error(`no request completed: ${report.firstFailure ?? 'no answer'}`);
    const measurement: Measurement = {
      cpuUsPerRequest: (cpuAfterNs - cpuBeforeNs) / 1_000 / measured.completed,
      requestsPerSecond: (measured.completed / measured.elapsedMs) * 1_000,
    };
    if (variant.latency && direct !== undefined) {
      report = await openLoop(generator, options);
      const latency = latencyOf(report);
      measurement.addedP50Us = latency.p50Us - direct.p50Us;
      measurement.addedP99Us = latency.p99Us - direct.p99Us;
    }
    return { measurement: { ...measurement, ...memoryOf(pid) }, report };
  } finally {
    await generator.stop();
  }
}

function startGenerator(options: MeasureOptions, logFile: string): Promise<Generator> {
  return WorkerClient.start(GENERATOR_FILE, options.cores.loadCore, logFile);
}

async function connect(generator: Generator, port: number, variant: LoadVariant): Promise<void> {
  await generator.ask({
    kind: 'connect',
    port,
    connections: variant.connections,
    targets: targetsOf(variant, variant.bodySize),
    bodyBytes: usesGrpc(variant) ? GRPC_MESSAGE.length : BODY_SIZES[variant.bodySize],
    http2: variant.http2,
  });
}

function openLoop(generator: Generator, options: MeasureOptions): Promise<GeneratorReport> {
  return generator.ask({ kind: 'open-loop', ratePerSecond: options.ratePerSecond, seconds: options.seconds });
}

function latencyOf({ p50Us, p99Us }: GeneratorReport): Latency {
  if (p50Us === undefined || p99Us === undefined) throw new Error('no request completed at the fixed rate');
  return { p50Us, p99Us };
}

function usesGrpc({ http2 }: LoadVariant): boolean {
  return http2 !== undefined && http2.use !== 'get';
}

/** Each message is answered, and a line is written for each stream. */
function messagesPerRequest(variant: PlainVariant): number {
  return variant.kind === 'load' && variant.http2?.use === 'streaming' ? MESSAGES_PER_STREAM : 1;
}

function targetsOf(variant: LoadVariant, size: keyof typeof BODY_SIZES) {
  return variant.targets === 'all' ? allTargets(variant.shape, size) : lastTarget(variant.shape, size);
}

function probeFor(variant: ScenarioVariant): Buffer {
  const [target] = lastTarget(variant.shape, '1k');
  return Buffer.from(`GET ${target?.path} HTTP/1.1\r\nhost: ${target?.host}\r\n\r\n`, 'latin1');
}

function memoryOf(pid: number): Measurement {
  const memory = processTreeMemory(pid);
  return {
    rssMb: memory.rssBytes / BYTES_PER_MB,
    pssMb: memory.pssBytes / BYTES_PER_MB,
    privateDirtyMb: memory.privateDirtyBytes / BYTES_PER_MB,
    anonymousMb: memory.anonymousBytes / BYTES_PER_MB,
  };
}

async function countLines(file: string): Promise<number> {
  let lines = 0;
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines++;
    }
  } catch {
    return 0;
  }
  return lines;
}
