#!/usr/bin/env node
import { resolve } from 'node:path';
import { defaultMeshSettings, HEDDLE_VERSION } from '@heddle/control-plane';
import { Command, InvalidArgumentError, Option } from 'commander';
import { registerCanary } from './commands/canary/register-canary.js';
import { registerCa } from './commands/ca/register-ca.js';
import { runAnalyze } from './commands/analyze.js';
import { registerInjection } from './commands/injection/register-injection.js';
import { registerAgent } from './commands/register-agent.js';
import { registerBootstrap } from './commands/register-bootstrap.js';
import { runDashboard } from './commands/dashboard.js';
import { registerExplain } from './commands/explain/register-explain.js';
import { runDemo } from './commands/demo.js';
import { registerProxyConfig } from './commands/proxy-config/register-proxy-config.js';
import { runProxyStatus } from './commands/proxy-status.js';
import { registerWait } from './commands/wait/register-wait.js';
import { runUp } from './commands/up.js';
import type { XdsAuth } from './launcher/control-plane-process.js';
import type { Interception } from './launcher/launcher.js';
import { Terminal } from './terminal.js';

const DEFAULT_API_PORT = 15_080;

interface UpArguments {
  readonly filename: string[];
  readonly stateDir: string;
  readonly apiPort: number;
  readonly xdsAuth: XdsAuth;
  readonly interception: Interception;
  readonly hbone: boolean;
}

const terminal = new Terminal({
  out: process.stdout,
  err: process.stderr,
  noColor: (process.env['NO_COLOR'] ?? '') !== '',
});
// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const program = new Command('heddle')
  .description('A service mesh: sidecars, a control plane, and your traffic policy as YAML.')
  .version(HEDDLE_VERSION)
  .showHelpAfterError("(try 'heddle --help')");

program
  .command('up')
  .description('run the workloads of a folder in a mesh on this machine, and follow its edits')
  .requiredOption('-f, --filename <folder>', 'a folder of YAML; may be given more than once', collect)
  .option('--state-dir <folder>', 'where logs, bootstraps and last good configurations are kept', '.heddle')
  .option('--api-port <port>', "the port of heddled's API, if it is free", parsePort, DEFAULT_API_PORT)
  .addOption(
    new Option(
      '--xds-auth <mode>',
      'whether other proxies on this machine need a join token for plain-text xDS',
    )
      .choices(['required', 'permissive'])
      .default('required'),
  )
  .addOption(interceptionOption('auto'))
  .option('--hbone', 'let sidecars reach each other through HTTP/2 tunnels by mutual TLS (HBONE)', false)
  .addHelpText('after', examples('heddle up -f mesh', 'heddle up -f mesh --interception explicit'))
  .action(async (options: UpArguments) => {
    process.exitCode = await runUp({
      folders: options.filename,
      stateFolder: fromWhereTyped(options.stateDir),
      apiPort: options.apiPort,
      xdsAuth: options.xdsAuth,
      interception: options.interception,
      hbone: options.hbone,
      terminal,
      environment: process.env,
    });
  });

program
  .command('analyze')
  .description('check a folder of YAML without running anything; ends with 1 when there are errors')
  .requiredOption('-f, --filename <folder>', 'a folder of YAML; may be given more than once', collect)
  .option(
    '--root-namespace <name>',
    'the namespace whose policies hold for the whole mesh',
    defaultMeshSettings.rootNamespace,
  )
  .addOption(outputOption(['text', 'json', 'yaml']))
  .addHelpText('after', examples('heddle analyze -f mesh', 'heddle analyze -f mesh -f more -o json'))
  .action(
    async (options: { filename: string[]; rootNamespace: string; output: 'text' | 'json' | 'yaml' }) => {
      process.exitCode = await runAnalyze({ ...options, folders: options.filename, terminal });
    },
  );

program
  .command('proxy-status')
  .alias('ps')
  .description('show which proxies are connected to a running heddled, and how far each is')
  .option('--state-dir <folder>', 'of the "heddle up" whose heddled is meant', '.heddle')
  .option('--api-port <port>', "the port of another heddled's API", parsePort)
  .addOption(outputOption(['text', 'json', 'yaml']))
  .addHelpText('after', examples('heddle proxy-status', 'heddle proxy-status --api-port 8080 -o json'))
  .action(async (options: { stateDir: string; apiPort?: number; output: 'text' | 'json' | 'yaml' }) => {
    process.exitCode = await runProxyStatus({
      stateFolder: fromWhereTyped(options.stateDir),
      apiPort: options.apiPort,
      tokenFile: undefined,
      environment: process.env,
      output: options.output,
      terminal,
    });
  });

program
  .command('demo')
  .description('run the sample application in a mesh and tell its story')
  .option('--check', 'without a person: assert every step, print one line each, end with 0 or 1', false)
  .addOption(interceptionOption('explicit'))
  .addHelpText('after', examples('heddle demo', 'heddle demo --check --interception transparent'))
  .action(async (options: { check: boolean; interception: Interception }) => {
    const code = await runDemo({ ...options, terminal, environment: process.env });
    // An interrupted story still waits for answers that nobody needs any more.
    process.exit(code);
  });

program
  .command('dashboard')
  .description('show the dashboard of a running mesh in a browser, and print its address')
  .option('--state-dir <folder>', 'of the "heddle up" whose heddled is meant', '.heddle')
  .option('--api-port <port>', "the port of another heddled's API", parsePort)
  .option('--token-file <file>', 'the token for writes of that heddled (or the environment: HEDDLE_TOKEN)')
  .option('--no-open', 'only print the address')
  .addHelpText('after', examples('heddle dashboard', 'heddle dashboard --no-open --api-port 8080'))
  .action(async (options: { stateDir: string; apiPort?: number; tokenFile?: string; open: boolean }) => {
    process.exitCode = await runDashboard({
      stateFolder: fromWhereTyped(options.stateDir),
      apiPort: options.apiPort,
      tokenFile: options.tokenFile,
      open: options.open && process.stdout.isTTY,
      environment: process.env,
      terminal,
    });
  });

registerExplain(program, {
  terminal,
  environment: process.env,
  parsePort,
  resolvePath: fromWhereTyped,
});

registerProxyConfig(program, {
  terminal,
  environment: process.env,
  parsePort,
  resolvePath: fromWhereTyped,
});

registerWait(program, {
  terminal,
  environment: process.env,
  parsePort,
  resolvePath: fromWhereTyped,
});

registerCanary(program, {
  terminal,
  environment: process.env,
  parsePort,
  resolvePath: fromWhereTyped,
});

registerCa(program, {
  terminal,
  environment: process.env,
  parsePort,
  resolvePath: fromWhereTyped,
});

registerInjection(program, {
  terminal,
  environment: process.env,
  stdin: process.stdin,
  parsePort,
  resolvePath: fromWhereTyped,
});

registerAgent(program, { terminal, resolvePath: absolute });
registerBootstrap(program, { terminal, parsePort, resolvePath: absolute });

await program.parseAsync();

function examples(...lines: readonly string[]): string {
  return ['', 'Examples:', ...lines.map((line) => `  ${line}`)].join('\n');
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), fromWhereTyped(value)];
}

/** npm runs scripts in the repository's root; a relative path means the folder in which it was typed. */
function fromWhereTyped(path: string): string {
  const { npm_lifecycle_event: script, INIT_CWD: typedIn } = process.env;
  return script === 'heddle' && typedIn !== undefined ? resolve(typedIn, path) : path;
}

function absolute(path: string): string {
  return resolve(fromWhereTyped(path));
}

function interceptionOption(byDefault: Interception): Option {
  return new Option(
    '--interception <way>',
    'how traffic comes to the sidecars: transparent (each instance in a network namespace), explicit (applications are told where to connect), or auto',
  )
    .choices(['auto', 'explicit', 'transparent'])
    .default(byDefault);
}

function outputOption(choices: readonly string[]): Option {
  return new Option('-o, --output <format>', 'how it is printed').choices([...choices]).default('text');
}

function parsePort(value: string): number {
  const port = Number(value);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('expected a port, 1 to 65535');
  return port;
}
