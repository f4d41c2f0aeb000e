import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePorts } from '../machine/child-process.js';
import { profileLines } from '../report/cpu-profile.js';
import { HEDDLE, ONLY_WHERE_NAMED } from '../subjects/index.js';
import type { Subject } from '../subjects/subject.js';
import { startBackend, startHttp2Backend } from './backend.js';
import { writeCertificates } from './bench-certificates.js';
import {
  type Latency,
  type MeasureOptions,
  type RoundSetup,
  measureDirect,
  measureSubject,
} from './measure-subject.js';
import type { Measurement, Scenario, ScenarioVariant } from './scenario.js';

const PROFILED_FUNCTIONS = 30;

export interface RunOptions extends MeasureOptions {
  readonly rounds: number;
  /** Prints where the processes that Node runs spend their time; the profiler's own cost spoils the figures. */
  readonly profile: boolean;
  readonly progress: (line: string) => void;
}

/** Every subject's figures, one entry per round; a round that failed is undefined. */
export interface VariantResult {
  readonly scenario: string;
  readonly title: string;
  readonly variant: string;
  readonly backend: string;
  readonly direct: readonly Latency[];
  readonly subjects: readonly {
    readonly name: string;
    readonly rounds: readonly (Measurement | undefined)[];
  }[];
  readonly failures: readonly string[];
  /** How late the load generator was at worst. */
  readonly worstTickMs: number;
}

/** Runs every variant of a scenario: rounds in which the subjects take turns, each freshly started. */
export async function runScenario(
  scenario: Scenario,
  subjects: readonly Subject[],
  options: RunOptions,
): Promise<VariantResult[]> {
  const results: VariantResult[] = [];
  for (const variant of scenario.variants) {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'heddle-bench-'));
    const remove = (): void => rmSync(folder, { recursive: true, force: true });
    process.once('exit', remove);
    try {
      results.push(await runVariant(scenario, variant, subjects, folder, options));
    } finally {
      process.off('exit', remove);
      remove();
    }
  }
  return results;
}

async function runVariant(
  scenario: Scenario,
  variant: ScenarioVariant,
  subjects: readonly Subject[],
  folder: string,
  options: RunOptions,
): Promise<VariantResult> {
  const taking = subjects.filter(({ name }) => takesPart(variant, name));
  const rounds = new Map<string, (Measurement | undefined)[]>(taking.map(({ name }) => [name, []]));
  const direct: Latency[] = [];
  const failures: string[] = [];
  let worstTickMs = 0;
  // The proxies run one at a time, so they share ports and folder: Envoy and heddle-proxy read the very same file.
  const [listenPort, adminPort, pairPort, pairAdminPort] = (await freePorts(4)) as [
    number,
    number,
    number,
    number,
  ];
  const certificates = path.join(folder, 'certificates');
  writeCertificates(certificates);
  const setupFolder = path.join(folder, 'subject');
  mkdirSync(setupFolder);
  const isHttp2 = variant.kind === 'load' && variant.http2 !== undefined;
  const backend = await (isHttp2 ? startHttp2Backend : startBackend)(folder, options.cores.loadCore);
  const setup: RoundSetup = {
    shape: variant.shape,
    armed: variant.armed === true,
    http2: isHttp2,
    listenPort,
    adminPort,
    backendPort: backend.port,
    pairPort,
    pairAdminPort,
    certificates,
    folder: setupFolder,
    nodeArguments: options.profile ? ['--cpu-prof', `--cpu-prof-dir=${setupFolder}`] : [],
  };
  try {
    for (let round = 0; round < options.rounds; round++) {
      if (variant.kind === 'load' && variant.latency) {
        direct.push(await measureDirect(backend.port, variant, path.join(folder, 'direct.log'), options));
      }
      for (const subject of inTurn(taking, round)) {
        const outcome = await measureSubject(subject, setup, variant, direct.at(-1), options);
        const failed = outcome.failures.length > 0;
        rounds.get(subject.name)?.push(failed ? undefined : outcome.measurement);
        failures.push(
          ...outcome.failures.map((failure) => `${subject.name}, round ${round + 1}: ${failure}`),
        );
        worstTickMs = Math.max(worstTickMs, outcome.worstTickMs);
        options.progress(
          progressLine(scenario, variant, round, options.rounds, subject, outcome.measurement, failed),
        );
        if (options.profile) printProfiles(setupFolder, options.progress);
      }
    }
  } finally {
    await backend.process.stop();
  }
  return {
    scenario: scenario.name,
    title: scenario.title,
    variant: variant.name,
    backend: backend.description,
    direct,
    subjects: taking.map(({ name }) => ({ name, rounds: rounds.get(name) ?? [] })),
    failures,
    worstTickMs,
  };
}

function printProfiles(folder: string, print: (line: string) => void): void {
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.cpuprofile'))) {
    for (const line of profileLines(path.join(folder, name), PROFILED_FUNCTIONS)) print(`  ${line}`);
    rmSync(path.join(folder, name));
  }
}

/** Each round begins with another subject, so that none always follows the same one. */
function inTurn<T>(items: readonly T[], round: number): T[] {
  const first = items.length === 0 ? 0 : round % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

function takesPart(variant: ScenarioVariant, name: string): boolean {
  if (variant.subjects === undefined) return !ONLY_WHERE_NAMED.includes(name);
  return variant.subjects.includes(name.startsWith(HEDDLE) ? HEDDLE : name);
}

function progressLine(
  scenario: Scenario,
  variant: ScenarioVariant,
  round: number,
  rounds: number,
  subject: Subject,
  measurement: Measurement,
  failed: boolean,
): string {
  const { cpuUsPerRequest, cpuUsPerHandshake, cpuUsPerConnection, cpuMsPerGb, rssMb } = measurement;
  const figure =
    cpuUsPerRequest !== undefined
      ? `${cpuUsPerRequest.toFixed(1)} µs CPU/request`
      : cpuUsPerHandshake !== undefined
        ? `${cpuUsPerHandshake.toFixed(0)} µs CPU/handshake`
        : cpuUsPerConnection !== undefined
          ? `${cpuUsPerConnection.toFixed(0)} µs CPU/connection`
          : cpuMsPerGb !== undefined
            ? `${cpuMsPerGb.toFixed(0)} ms CPU/GB`
            : `${rssMb?.toFixed(1) ?? '?'} MB`;
  return `${scenario.name}, ${variant.name}, round ${round + 1}/${rounds}: ${subject.name} ${failed ? 'FAILED' : figure}`;
}
