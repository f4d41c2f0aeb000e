#!/usr/bin/env node
import { HEDDLE_VERSION } from '@heddle/control-plane';
import { Command, InvalidArgumentError } from 'commander';
import { runDemo } from './commands/demo.js';
import { runUp } from './commands/up.js';
import { Terminal } from './terminal.js';

const terminal = new Terminal({
  out: process.stdout,
  err: process.stderr,
  noColor: (process.env['NO_COLOR'] ?? '') !== '',
});

const program = new Command('heddle')
  .description('A service mesh: sidecars, a control plane, and your traffic policy as YAML.')
  .version(HEDDLE_VERSION)
  .showHelpAfterError("(try 'heddle --help')");

program
  .command('up')
  .description('run the workloads of a folder in a mesh on this machine, and follow its edits')
  .requiredOption('-f, --filename <folder>', 'a folder of YAML; may be given more than once', collect, [])
  .option('--state-dir <folder>', 'where logs, bootstraps and last good configurations are kept', '.heddle')
  .option('--api-port <port>', "the port of heddled's API, if it is free", parsePort, 15_080)
  .action(async (options: { filename: string[]; stateDir: string; apiPort: number }) => {
    process.exitCode = await runUp({
      folders: options.filename,
      stateFolder: options.stateDir,
      apiPort: options.apiPort,
      terminal,
      environment: process.env,
    });
  });

program
  .command('demo')
  .description('run the sample application in a mesh and tell its story')
  .option('--check', 'without a person: assert every step, print one line each, end with 0 or 1', false)
  .action(async (options: { check: boolean }) => {
    const code = await runDemo({ check: options.check, terminal, environment: process.env });
    // An interrupted story still waits for answers that nobody needs any more.
    process.exit(code);
  });

await program.parseAsync();

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function parsePort(value: string): number {
  const port = Number(value);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('expected a port, 1 to 65535');
  return port;
}
