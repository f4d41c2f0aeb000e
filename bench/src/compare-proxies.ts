import { fileURLToPath } from 'node:url';
import { type VariantResult, runScenario } from './load/run-scenario.js';
import { SCENARIOS } from './load/scenarios/index.js';
import { planCores } from './machine/cores.js';
import { machineFacts } from './machine/machine-facts.js';
import type { BenchOptions } from './options.js';
import { compare } from './report/comparison.js';
import { writeResults } from './report/results.js';
import { comparisonRows, terminalTable } from './report/table.js';
import { ANCHOR, findSubjects } from './subjects/index.js';
import { type FoundSubject, isFound } from './subjects/subject.js';

const RESULTS_FOLDER = fileURLToPath(new URL('../results/', import.meta.url));

/** Runs the chosen scenarios, prints and saves the comparison. Returns whether every request was answered rightly. */
export async function compareProxies(options: BenchOptions, print: (line: string) => void): Promise<boolean> {
  const date = new Date().toISOString();
  const machine = machineFacts();
  const cores = planCores(options.concurrency);
  print(
    `${machine.cpuModel}, ${machine.cores} cores, ${machine.kernel}, load average ${machine.loadAverage}`,
  );
  print(cores.remark);
  if (machine.loadAverage > machine.cores / 4) {
    print('Others use this machine now: only ratios of one round mean anything, and even they are doubtful.');
  }
  const found = findSubjects(options);
  for (const each of found)
    print(`${each.name}: ${isFound(each) ? each.version : `not measured, ${each.missing}`}`);
  const subjects = found.filter(isFound);
  if (subjects.length === 0) {
    print('There is nothing to measure.');
    return false;
  }

  const { rounds, seconds, warmUpSeconds, ratePerSecond, profile } = options;
  const results: VariantResult[] = [];
  for (const scenario of SCENARIOS.filter(({ name }) => options.only.includes(name))) {
    print('');
    const runOptions = { rounds, seconds, warmUpSeconds, ratePerSecond, profile, cores, progress: print };
    for (const result of await runScenario(scenario, subjects, runOptions)) {
      results.push(result);
      print(`\n${result.title}: ${result.variant}`);
      print(terminalTable(comparisonRows(compare(result, ANCHOR), ANCHOR)));
    }
  }

  const failures = results.flatMap((result) =>
    result.failures.map((failure) => `${result.scenario}, ${result.variant}: ${failure}`),
  );
  if (failures.length > 0) {
    print(`\n${failures.length} failures; nothing is saved:`);
    for (const failure of failures) print(`  ${failure}`);
    return false;
  }
  if (options.save) {
    const saved = {
      date,
      machine,
      cores: cores.remark,
      options: { rounds, seconds, warmUpSeconds, ratePerSecond, concurrency: options.concurrency },
      subjects: subjects.map(({ name, version }) => ({ name, version })),
      missing: found.filter((each): each is Exclude<FoundSubject, { version: string }> => !isFound(each)),
      results,
    };
    print(`\nsaved as bench/results/${writeResults(RESULTS_FOLDER, saved, ANCHOR)}.md and .json`);
  }
  return true;
}
