import { terminalTable } from '../report/table.js';
import { MICRO_CASES } from './cases/index.js';
import { measureCase } from './measure-case.js';

/** Runs the cases whose name contains `filter` and prints a table. Returns whether there was any. */
export function runMicro(filter: string | undefined, print: (line: string) => void): boolean {
  const chosen = MICRO_CASES.filter(({ name }) => filter === undefined || name.includes(filter));
  if (chosen.length === 0) {
    print(`no micro-benchmark is named like ${filter}; there are:`);
    for (const { name } of MICRO_CASES) print(`  ${name}`);
    return false;
  }
  const rows = [['', 'ns/operation', 'lowest', 'highest']];
  for (const microCase of chosen) {
    const { median, min, max } = measureCase(microCase);
    rows.push([microCase.name, median.toFixed(1), min.toFixed(1), max.toFixed(1)]);
  }
  print(`Node ${process.version}`);
  print(terminalTable(rows));
  return true;
}
