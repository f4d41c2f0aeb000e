import { systemClock } from '@heddle/common';
import { Option, type Command } from 'commander';
import type { Terminal } from '../../terminal.js';
import {
  runCaRevoke,
  runCaRoots,
  runCaStatus,
  runCaToken,
  runRotateRoot,
  type CaCommandOptions,
  type OutputFormat,
} from './ca-commands.js';

export interface RegisterCaOptions {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly parsePort: (text: string) => number;
  readonly resolvePath: (path: string) => string;
}

interface Common {
  readonly stateDir: string;
  readonly apiPort?: number;
  readonly tokenFile?: string;
  readonly output: OutputFormat;
}

/** Adds `heddle ca` and what is below it. */
export function registerCa(program: Command, options: RegisterCaOptions): void {
  const { terminal, environment, resolvePath } = options;
  const ca = program
    .command('ca')
    .description(
      'look at the certificate authority of a running mesh, give out join tokens, exchange its root',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  heddle ca status\n  heddle ca token -s reviews --ttl 1h --out reviews.token\n  heddle ca rotate-root',
    );
  const access = (given: Common): CaCommandOptions => ({
    stateFolder: resolvePath(given.stateDir),
    apiPort: given.apiPort,
    tokenFile: given.tokenFile === undefined ? undefined : resolvePath(given.tokenFile),
    environment,
    output: given.output,
    terminal,
  });
  const subcommand = (name: string, description: string): Command =>
    ca
      .command(name)
      .description(description)
      .option('--state-dir <folder>', 'of the "heddle up" whose heddled is meant', '.heddle')
      .option('--api-port <port>', "the port of another heddled's API", options.parsePort)
      .option(
        '--token-file <file>',
        'the token for writes of that heddled (or the environment: HEDDLE_TOKEN)',
      )
      .addOption(
        new Option('-o, --output <format>', 'how it is printed')
          .choices(['text', 'json', 'yaml'])
          .default('text'),
      );

  subcommand('status', 'show the roots, where a rotation stands, and who has which certificate').action(
    async (given: Common) => {
      process.exitCode = await runCaStatus(access(given));
    },
  );
  subcommand('roots', 'print the roots to trust, for others to import')
    .addOption(
      new Option('--format <format>', 'PEM, or a SPIFFE bundle').choices(['pem', 'spiffe']).default('pem'),
    )
    .option('--out <file>', 'write them there')
    .action(async (given: Common & { readonly format: 'pem' | 'spiffe'; readonly out?: string }) => {
      const file = given.out === undefined ? undefined : resolvePath(given.out);
      process.exitCode = await runCaRoots({ ...access(given), format: given.format, file });
    });
  subcommand('token', 'make a join token, with which a proxy or agent gets certificates for one identity')
    .requiredOption('-s, --service-account <name>', 'whose token')
    .option('-n, --namespace <name>', 'its namespace', 'default')
    .option('--ttl <duration>', 'how long it is good, at most 720h', '24h')
    .option('--out <file>', 'write it there, readable by you alone, instead of printing it')
    .action(
      async (
        given: Common & {
          readonly serviceAccount: string;
          readonly namespace: string;
          readonly ttl: string;
          readonly out?: string;
        },
      ) => {
        const { serviceAccount, namespace, ttl } = given;
        const file = given.out === undefined ? undefined : resolvePath(given.out);
        process.exitCode = await runCaToken({ ...access(given), serviceAccount, namespace, ttl, file });
      },
    );
  subcommand('revoke', 'make a join token worthless, by its id')
    .argument('<id>', 'as "heddle ca token -o json" and the log of heddled name it')
    .action(async (id: string, given: Common) => {
      process.exitCode = await runCaRevoke({ ...access(given), id });
    });
  subcommand('rotate-root', 'exchange the root of the mesh while it works; nobody is refused')
    .addOption(
      new Option('--step <step>', 'one step only, without waiting for anybody').choices([
        'begin',
        'switch',
        'finish',
      ]),
    )
    .option('--force', 'with --step finish: also while certificates of the old root may be in use', false)
    .option('--timeout <duration>', 'how long everybody may take to come along, for each step', '5m')
    .option('--settle <duration>', 'how long heddled must have run to know who is there', '60s')
    .addHelpText(
      'after',
      `
Without --step it makes a new root, waits until every connected workload trusts both, lets the
new one sign, waits until every workload has a certificate of it, and then drops the old one.
When it is interrupted or somebody does not come along, everything works on as it is; the same
command goes on from there.`,
    )
    .action(
      async (
        given: Common & {
          readonly step?: 'begin' | 'switch' | 'finish';
          readonly force: boolean;
          readonly timeout: string;
          readonly settle: string;
        },
      ) => {
        const { step, force, timeout, settle } = given;
        process.exitCode = await runRotateRoot({
          ...access(given),
          ...{ step, force, timeout, settle },
          clock: systemClock,
        });
      },
    );
}
