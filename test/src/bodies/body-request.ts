import type { Pace } from './pattern.js';

/** Which way a body goes: to the server, from it, or there and back. */
export type Direction = 'upload' | 'download' | 'echo';
export const DIRECTIONS: readonly Direction[] = ['upload', 'download', 'echo'];

/** One body that is sent through proxies. */
export interface BodyRequest {
  readonly direction: Direction;
  readonly bytes: number;
  readonly seed: number;
  readonly clientPace: Pace;
  readonly serverPace: Pace;
}

/** As a path of HTTP, or the first line of a TCP connection. */
export function formatBodyRequest({ direction, bytes, seed, serverPace }: BodyRequest): string {
  return `/${direction}/${bytes}/${seed}/${serverPace}`;
}

export function parseBodyRequest(text: string): Omit<BodyRequest, 'clientPace'> {
  const [, direction, bytes, seed, serverPace] = text.split('/');
  return {
    direction: direction as Direction,
    bytes: Number(bytes),
    seed: Number(seed),
    serverPace: serverPace as Pace,
  };
}
