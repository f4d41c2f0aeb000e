import { formatWorkloadId, requireSpiffeId, type SpiffeId } from '@heddle/certs';
import {
  createLogger,
  describeError,
  parseDurationMs,
  systemClock,
  systemRandom,
  type LogLevel,
} from '@heddle/common';
import type { Terminal } from '../terminal.js';
import { Agent } from './agent.js';

/** What `heddle agent` was told. */
export interface RunAgentOptions {
  readonly caAddress: string;
  readonly caServerName: string | undefined;
  readonly xdsAddress: string | undefined;
  readonly rootFile: string;
  readonly tokenFile: string | undefined;
  readonly identity: string | undefined;
  readonly namespace: string;
  readonly serviceAccount: string | undefined;
  readonly trustDomain: string;
  readonly name: string | undefined;
  readonly certificateTtl: string | undefined;
  readonly socket: string;
  readonly certDir: string | undefined;
  readonly logLevel: LogLevel;
  readonly terminal: Terminal;
}

/** Runs an agent until a signal ends it. Resolves with the exit code. */
export async function runAgent(options: RunAgentOptions): Promise<number> {
  const { terminal, caAddress, socket, certificateTtl } = options;
  let agent: Agent;
  let spiffeId: SpiffeId;
  try {
    spiffeId = identityOf(options);
    const certificateTtlMs = certificateTtl === undefined ? undefined : parseDurationMs(certificateTtl);
    if (certificateTtl !== undefined && !(certificateTtlMs !== undefined && certificateTtlMs >= 1_000))
      throw new Error(`--cert-ttl ${certificateTtl}: expected a duration of a second at least, such as 24h`);
    agent = new Agent({
      identity: {
        spiffeId,
        caAddress,
        caServerName: options.caServerName,
        rootsFile: options.rootFile,
        tokenFile: options.tokenFile,
        certificateTtlMs,
        nodeId: `agent~127.0.0.1~${options.name ?? spiffeId.path.slice(1).replaceAll('/', '-')}~`,
      },
      xdsAddress: options.xdsAddress ?? caAddress,
      socketPath: socket,
      certificateFolder: options.certDir,
      clock: systemClock,
      random: systemRandom,
      log: createLogger({ component: 'agent', level: options.logLevel }),
    });
    await agent.start();
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
  terminal.say(`heddle agent: ${spiffeId.uri}, SDS and xDS on ${socket}`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  await agent.stop();
  return 0;
}

function identityOf({ identity, namespace, serviceAccount, trustDomain }: RunAgentOptions): SpiffeId {
  if (identity !== undefined) return requireSpiffeId(identity);
  if (serviceAccount === undefined)
    throw new Error('whose certificate is wanted? --service-account, or --identity');
  return formatWorkloadId({ trustDomain, namespace, serviceAccount });
}
