import type { Clock } from '@heddle/common';
import type { ReportedAuthority, ReportedHolder } from '../../launcher/ca-reports.js';
import type { HeddledClient } from '../../launcher/heddled-client.js';

export type RotationClient = Pick<HeddledClient, 'authority' | 'holders' | 'rotate' | 'startedAt'>;

export interface RotateRootOptions {
  readonly client: RotationClient;
  readonly clock: Clock;
  /** How long each wait may take. */
  readonly timeoutMs: number;
  /** heddled knows who is there only after it has run for so long: whoever it knew before its start comes back meanwhile. */
  readonly settleMs: number;
  readonly onProgress: (text: string) => void;
}

/** What keeps a step from being taken. */
export class RotationStuck extends Error {}

const POLL_MS = 250;
const MOST_NAMED = 5;

/**
 * Exchanges the root of the mesh while it works, from wherever an earlier attempt stopped: everybody trusts both, then the
 * new one signs, then everybody has renewed, then the old one goes. Each step waits until heddled has seen it of every workload.
 *
 * Errors: RotationStuck where some do not come along in time; the rotation stays where it is and can be taken up again.
 */
export async function rotateRoot(options: RotateRootOptions): Promise<ReportedAuthority> {
  const { client, onProgress } = options;
  await settled(options);
  let authority = await client.authority();
  if (authority.rotation === 'steady') {
    authority = await client.rotate('begin');
    onProgress(`new root ${shortOf(authority.roots.at(-1)?.fingerprint)}: everybody is told to trust both`);
  } else onProgress(`the rotation goes on where it stopped: ${authority.rotation}`);
  if (authority.rotation === 'distributing') {
    await everybody(options, 'trust both roots', ({ knowsRoots }) => knowsRoots);
    authority = await client.rotate('switch');
    onProgress('the new root signs: everybody renews');
  }
  const signer = authority.roots.find(({ signs }) => signs)?.fingerprint;
  await everybody(
    options,
    'have a certificate of the new root',
    ({ knowsRoots, root }) => knowsRoots && root === signer,
  );
  authority = await client.rotate('finish', true);
  onProgress('the old root is trusted no longer, and its key is deleted');
  return authority;
}

async function settled({ client, clock, settleMs, onProgress }: RotateRootOptions): Promise<void> {
  const leftMs = Date.parse(await client.startedAt()) + settleMs - clock.nowMs();
  if (!(leftMs > 0)) return;
  onProgress(`heddled was started a moment ago: ${Math.ceil(leftMs / 1000)} s for everybody to come back`);
  await pause(clock, leftMs);
}

async function everybody(
  { client, clock, timeoutMs, onProgress }: RotateRootOptions,
  what: string,
  isDone: (holder: ReportedHolder) => boolean,
): Promise<void> {
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  let told = '';
  for (;;) {
    const holders = await client.holders();
    const behind = holders.filter((holder) => holder.presence === 'away' || !isDone(holder));
    const text = `${holders.length - behind.length} of ${holders.length} workloads ${what}`;
    if (text !== told) onProgress(text);
    told = text;
    if (behind.length === 0) return;
    if (clock.monotonicMs() >= deadlineMs) {
      const named = behind
        .slice(0, MOST_NAMED)
        .map(({ id, presence }) => (presence === 'away' ? `${id} (away)` : id));
      const more = behind.length > MOST_NAMED ? ` and ${behind.length - MOST_NAMED} more` : '';
      throw new RotationStuck(
        `not everybody came along within ${Math.round(timeoutMs / 1000)} s: ${named.join(', ')}${more}. ` +
          'Nobody is refused meanwhile; see to these and run the command again',
      );
    }
    await pause(clock, POLL_MS);
  }
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(delayMs, resolve));
}

function shortOf(fingerprint: string | undefined): string {
  return (fingerprint ?? '').slice(0, 16);
}
