import { compareProxies } from './compare-proxies.js';
import { runMicro } from './micro/run-micro.js';
import { HELP, type BenchCommand, parseBenchCommand } from './options.js';

const print = (line: string): void => console.log(line);

// An interrupted run must not leave proxies behind: they are ended in the exit handler.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

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
