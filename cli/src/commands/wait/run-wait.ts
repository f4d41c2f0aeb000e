import { readFileSync } from 'node:fs';
import { describeError, parseDurationMs, type Clock } from '@heddle/common';
import { parseMeshFile } from '@heddle/control-plane';
import { stringify } from 'yaml';
import { ApiError, type HeddledClient } from '../../launcher/heddled-client.js';
import type { Terminal } from '../../terminal.js';
import { heddledClient, type HeddledAccessOptions } from '../heddled-access.js';

/** How far a resource has come, as heddled's API says. */
export interface Distribution {
  readonly revision: number;
  readonly inForce: boolean;
  readonly contentHash: string;
  readonly file: string;
  readonly errors: readonly string[];
  readonly proxies: readonly {
    readonly id: string;
    readonly state: 'acknowledged' | 'waiting' | 'refused';
    readonly why?: string;
  }[];
}

export interface WaitOptions extends HeddledAccessOptions {
  readonly kind: string;
  /** `NAME` or `NAME.NAMESPACE`. */
  readonly name: string;
  readonly namespace: string | undefined;
  readonly timeout: string;
  readonly output: 'text' | 'json' | 'yaml';
  readonly clock: Clock;
  readonly terminal: Terminal;
}

/** What the exit codes of `heddle wait` mean. */
export const WAIT_EXIT = { delivered: 0, failed: 1, timedOut: 3 } as const;

const POLL_MS = 200;

/** Waits until every proxy to which a resource matters has acknowledged what it means. Resolves with the exit code. */
export async function runWait(options: WaitOptions): Promise<number> {
  const { terminal, clock, output } = options;
  try {
    const timeoutMs = parseDurationMs(options.timeout);
    if (timeoutMs === undefined || timeoutMs < 0)
      throw new Error(`--timeout ${options.timeout}: expected a duration such as 30s`);
    const { client } = heddledClient(options);
    const resource = await resourceNamed(client, options);
    const deadline = clock.monotonicMs() + timeoutMs;
    let told = '';
    for (;;) {
      const found = await distributionOf(client, resource);
      const verdict: Verdict = found === undefined ? { text: 'is not in force yet' } : judge(found, resource);
      if (verdict.code !== undefined || clock.monotonicMs() >= deadline) {
        const code = verdict.code ?? WAIT_EXIT.timedOut;
        const text = `${labelOf(resource)} ${verdict.text}${code === WAIT_EXIT.timedOut ? `; gave up after ${options.timeout}` : ''}`;
        if (output !== 'text') {
          const value = { resource: labelOf(resource), delivered: code === 0, ...found };
          terminal.say(output === 'json' ? JSON.stringify(value, null, 2) : stringify(value).trimEnd());
        } else if (code === 0) terminal.say(text);
        if (code !== 0) terminal.error(text);
        return code;
      }
      // A log gets a line for each change, and a terminal the same.
      if (output === 'text' && verdict.text !== told) terminal.note(`${labelOf(resource)} ${verdict.text}`);
      told = verdict.text;
      await new Promise<void>((resolve) => clock.setTimer(POLL_MS, resolve));
    }
  } catch (cause) {
    terminal.error(describeError(cause));
    return WAIT_EXIT.failed;
  }
}

interface WaitedResource {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

interface Verdict {
  readonly text: string;
  /** Set: it is over. */
  readonly code?: number;
}

/** Whether it is over, and what there is to say. */
function judge(found: Distribution, resource: WaitedResource): Verdict {
  const [error] = found.errors;
  if (error !== undefined) return { text: `is refused: ${error}`, code: WAIT_EXIT.failed };
  if (!isCurrent(found, resource)) return { text: 'waits for heddled to read its file' };
  const refused = found.proxies.filter(({ state }) => state === 'refused');
  if (refused.length > 0) {
    const [first] = refused;
    return {
      text: `is refused by ${refused.map(({ id }) => nameOf(id)).join(', ')}: ${first?.why ?? ''}`,
      code: WAIT_EXIT.failed,
    };
  }
  const waiting = found.proxies.filter(({ state }) => state === 'waiting');
  const total = found.proxies.length;
  if (waiting.length === 0) {
    return {
      text:
        total === 0
          ? 'is in force, and matters to no connected proxy'
          : `is at every proxy it matters to: ${total}`,
      code: WAIT_EXIT.delivered,
    };
  }
  return {
    text: `is at ${total - waiting.length} of ${total} proxies; waits for ${waiting.map(({ id }) => nameOf(id)).join(', ')}`,
  };
}

/** Whether what is in force is what its file says now, as far as the file is on this machine. */
function isCurrent({ file, contentHash }: Distribution, { kind, namespace, name }: WaitedResource): boolean {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return true;
  }
  const written = parseMeshFile(text, file).resources.find(
    (one) => one.kind === kind && one.namespace === namespace && one.name === name,
  );
  return written === undefined || written.contentHash === contentHash;
}

async function distributionOf(
  client: HeddledClient,
  { kind, namespace, name }: WaitedResource,
): Promise<Distribution | undefined> {
  try {
    const path = [kind, namespace, name].map(encodeURIComponent).join('/');
    return await client.get<Distribution>(`/api/v1/resources/${path}/distribution`);
  } catch (cause) {
    if (cause instanceof ApiError && cause.status === 404) return undefined;
    throw cause;
  }
}

/** Kinds in any case, as people type them; `vs` and the like as kubectl knows them. */
async function resourceNamed(client: HeddledClient, options: WaitOptions): Promise<WaitedResource> {
  const dot = options.name.indexOf('.');
  const name = dot === -1 ? options.name : options.name.slice(0, dot);
  const namespace = options.namespace ?? (dot === -1 ? 'default' : options.name.slice(dot + 1));
  const wanted = options.kind.toLowerCase();
  const { resources } = await client.get<{ resources: readonly WaitedResource[] }>('/api/v1/resources');
  const kinds = new Set([...KINDS, ...resources.map(({ kind }) => kind)]);
  const kind =
    [...kinds].find((one) => [one.toLowerCase(), `${one.toLowerCase()}s`].includes(wanted)) ?? SHORT[wanted];
  if (kind === undefined)
    throw new Error(`${options.kind} is no kind of resource; there are ${[...kinds].sort().join(', ')}`);
  return { kind, namespace, name };
}

const KINDS = [
  'VirtualService',
  'DestinationRule',
  'Gateway',
  'HTTPRoute',
  'ServiceEntry',
  'AuthorizationPolicy',
  'PeerAuthentication',
  'RequestAuthentication',
  'Telemetry',
  'RateLimit',
] as const;

const SHORT: Readonly<Record<string, string>> = {
  vs: 'VirtualService',
  dr: 'DestinationRule',
  gw: 'Gateway',
  se: 'ServiceEntry',
  we: 'WorkloadEntry',
  ap: 'AuthorizationPolicy',
  pa: 'PeerAuthentication',
  ra: 'RequestAuthentication',
  svc: 'Service',
};

function labelOf({ kind, namespace, name }: WaitedResource): string {
  return `${kind} ${namespace}/${name}`;
}

function nameOf(id: string): string {
  return id.split('~')[2] ?? id;
}
