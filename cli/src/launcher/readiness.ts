import { get } from 'node:http';
import { connect } from 'node:net';
import type { Clock } from '@heddle/common';

const POLL_MS = 40;

/** Resolves with true when `check` says so, false after `timeoutMs` or when `signal` is aborted. */
export async function waitUntil(
  check: () => Promise<boolean>,
  clock: Clock,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = clock.monotonicMs() + timeoutMs;
  for (;;) {
    if (signal?.aborted) return false;
    if (await check()) return true;
    if (clock.monotonicMs() >= deadline) return false;
    await new Promise<void>((resolve) => clock.setTimer(POLL_MS, resolve));
  }
}

/** Whether something accepts connections on a loopback port. */
export function acceptsConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.setTimeout(1_000, () => end(false));
  });
}

/** Whether a GET on loopback is answered with 200. */
export function answersOk(port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false, timeout: 1_000 }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
      response.once('error', () => resolve(false));
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(false));
  });
}
