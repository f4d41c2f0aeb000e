import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { VariantResult } from '../load/run-scenario.js';
import type { MachineFacts } from '../machine/machine-facts.js';
import { compare } from './comparison.js';
import { comparisonRows, markdownTable } from './table.js';

/** Everything that a reader needs to judge and repeat a run. */
export interface BenchResults {
  readonly date: string;
  readonly machine: MachineFacts;
  readonly cores: string;
  readonly options: Readonly<Record<string, number>>;
  readonly subjects: readonly { readonly name: string; readonly version: string }[];
  readonly missing: readonly { readonly name: string; readonly missing: string }[];
  readonly results: readonly VariantResult[];
}

/** Writes the dated JSON and Markdown files and returns the name that they share. */
export function writeResults(folder: string, results: BenchResults, anchorName: string): string {
  const name = results.date.slice(0, 16).replace('T', '-').replace(':', '');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.json`), JSON.stringify(results, null, 2) + '\n');
  writeFileSync(path.join(folder, `${name}.md`), resultsMarkdown(results, anchorName));
  return name;
}

export function resultsMarkdown(results: BenchResults, anchorName: string): string {
  const { machine } = results;
  const lines = [
    `# Benchmark of ${results.date.slice(0, 10)}`,
    '',
    `${machine.cpuModel}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}; load average before: ${machine.loadAverage}; commit ${machine.commit}.`,
    `Run by Node ${machine.nodeVersion}; ${results.cores}.`,
    Object.entries(results.options)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ') + '.',
    '',
    ...results.subjects.map(({ name, version }) => `- ${name}: ${version}`),
    ...results.missing.map(({ name, missing }) => `- ${name}: not measured (${missing})`),
    '',
    'Medians over the rounds, lowest and highest in brackets. CPU is user and system time of the whole process tree ÷ requests completed in a closed loop. Added latency is at the fixed rate, less that of the direct connection in the same round.',
  ];
  for (const result of results.results) {
    const compared = compare(result, anchorName);
    lines.push('', `## ${result.title}: ${result.variant}`, '');
    lines.push(markdownTable(comparisonRows(compared, anchorName)), '');
    const direct = result.direct
      .map(({ p50Us, p99Us }) => `${p50Us.toFixed(0)}/${p99Us.toFixed(0)}`)
      .join(', ');
    const directText = direct === '' ? '' : ` Direct connection p50/p99 µs per round: ${direct}.`;
    lines.push(
      `Backend: ${result.backend}.${directText} The load generator was at worst ${result.worstTickMs.toFixed(1)} ms late.`,
    );
  }
  return lines.join('\n') + '\n';
}
