import type { Random } from '@heddle/common';

/**
 * What is being shed: looked at for each request and connection, written by the overload manager alone.
 *
 * Shape: shares, 0 (nothing) to 1 (everything).
 */
export class OverloadState {
  requests = 0;
  keepalive = 0;
  connections = 0;
}

/** Whether one of those of whom a share is shed is among them. Cost: nothing while the share is 0. */
export function isShed(share: number, random: Random): boolean {
  return share !== 0 && (share >= 1 || random() < share);
}
