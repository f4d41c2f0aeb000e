import { compareProxies } from './compare-proxies.js';
import { stopAllProcesses } from './machine/child-process.js';
import { runMicro } from './micro/run-micro.js';
import { HELP, type BenchCommand, parseBenchCommand } from './options.js';

const print = (line: string): void => console.log(line);

// An interrupted run leaves no process behind, and no folder: those are removed as this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAllProcesses().finally(() => process.exit(1)));
}

let command: BenchCommand;
try {
  command = parseBenchCommand(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(2);
}
if (command.kind === 'help') print(HELP);
else if (command.kind === 'micro') process.exitCode = runMicro(command.filter, print) ? 0 : 1;
else process.exitCode = (await compareProxies(command.options, print)) ? 0 : 1;
