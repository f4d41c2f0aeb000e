import { describeError } from '@heddle/common';
import type { CanaryView } from '@heddle/control-plane/dashboard-api';
import { stringify } from 'yaml';
import { table, type Terminal } from '../../terminal.js';
import { heddledClient, type HeddledAccessOptions } from '../heddled-access.js';

export interface CanaryCommandOptions extends HeddledAccessOptions {
  readonly namespace: string;
  /** undefined: all, where that makes sense. */
  readonly name: string | undefined;
  readonly output: 'text' | 'json' | 'yaml';
  readonly terminal: Terminal;
}

/** `heddle canary status`. Resolves with the exit code: 1 when heddled does not answer, or there is no such canary. */
export async function runCanaryStatus(options: CanaryCommandOptions): Promise<number> {
  const { name, namespace, output, terminal } = options;
  try {
    const { client } = heddledClient(options);
    const wanted = (await client.canaries()).filter(
      (canary) => name === undefined || (canary.name === name && canary.namespace === namespace),
    );
    if (name !== undefined && wanted.length === 0) throw new Error(`there is no canary ${namespace}/${name}`);
    if (output === 'json') terminal.say(JSON.stringify(wanted, null, 2));
    else if (output === 'yaml') terminal.say(stringify(wanted).trimEnd());
    else for (const line of statusLines(wanted, name !== undefined)) terminal.say(line);
    return 0;
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
}

/** `heddle canary promote`, and the like. Resolves with the exit code. */
export async function runCanaryCommand(
  options: CanaryCommandOptions & { readonly name: string; readonly command: string },
): Promise<number> {
  const { name, namespace, command, output, terminal } = options;
  try {
    const { client } = heddledClient(options);
    const path = `/api/v1/canaries/${[namespace, name, command].map(encodeURIComponent).join('/')}`;
    const canary = JSON.parse(await client.text('POST', path)) as CanaryView;
    if (output === 'json') terminal.say(JSON.stringify(canary, null, 2));
    else if (output === 'yaml') terminal.say(stringify(canary).trimEnd());
    else for (const line of statusLines([canary], false)) terminal.say(line);
    return 0;
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
}

/** A row a canary; of one alone also what happened to it. */
export function statusLines(canaries: readonly CanaryView[], withEvents: boolean): readonly string[] {
  if (canaries.length === 0) return ['there is no canary'];
  const rows = canaries.map((canary) => [
    `${canary.namespace}/${canary.name}`,
    canary.phase,
    `${canary.step}/${canary.steps.length}`,
    `${canary.weight} %`,
    canary.observedShare === null ? '-' : `${(canary.observedShare * 100).toFixed(1)} %`,
    ratioText(canary.canary.successRatio),
    ratioText(canary.stable.successRatio),
    canary.reason,
  ]);
  const head = ['CANARY', 'PHASE', 'STEP', 'WEIGHT', 'OBSERVED', 'SUCCESS', 'STABLE', 'WHY'];
  const events = withEvents ? (canaries[0]?.events ?? []) : [];
  return [
    ...table([head, ...rows]),
    ...(events.length === 0 ? [] : ['']),
    ...events.map(
      ({ atMs, phase, weight, text }) => `${new Date(atMs).toISOString()}  ${phase}, ${weight} %: ${text}`,
    ),
  ];
}

function ratioText(ratio: number | null): string {
  return ratio === null ? '-' : `${(ratio * 100).toFixed(1)} %`;
}
