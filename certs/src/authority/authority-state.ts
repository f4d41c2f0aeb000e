import path from 'node:path';
import { AuthorityStateError } from '../errors.js';
import { readPrivateFile, writePrivateFile } from '../private-file.js';
import type { StoredRoot } from './root-certificate.js';

const FILE = 'authority.json';
/** Istio's name for it. */
const ROOTS_FILE = 'root-cert.pem';
const VERSION = 1;

/**
 * Where a root rotation stands.
 *
 * `steady`: one root. `distributing`: the new one is in the bundle, the old one signs. `switched`: the new one signs, and
 * the old one stays in the bundle until the last leaf that it signed has expired or been replaced.
 */
export type RotationPhase = 'steady' | 'distributing' | 'switched';

/** All that an authority remembers. */
export interface AuthorityState {
  readonly trustDomain: string;
  readonly phase: RotationPhase;
  /** The older first: one when steady, otherwise two. */
  readonly roots: readonly StoredRoot[];
  /** In `switched`: when the last leaf of the old root has expired. Milliseconds since the epoch. */
  readonly oldLeavesUntilMs?: number;
}

/** The stored state; undefined in a new folder. Errors: AuthorityStateError, PrivateFileError. */
export function loadAuthorityState(folder: string): AuthorityState | undefined {
  const file = path.join(folder, FILE);
  const bytes = readPrivateFile(file);
  if (bytes === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new AuthorityStateError(`${file} is not JSON`, { cause: error });
  }
  const state = parseState(value);
  if (state === undefined) throw new AuthorityStateError(`${file} does not hold the state of an authority`);
  return state;
}

/** Stores the state of a folder at once. Errors: PrivateFileError. */
export function saveAuthorityState(folder: string, state: AuthorityState): void {
  writePrivateFile(path.join(folder, FILE), formatState(state));
}

/** Stores the first state of a folder, unless another process was faster; whether it was this one. */
export function saveFirstAuthorityState(folder: string, state: AuthorityState): boolean {
  return writePrivateFile(path.join(folder, FILE), formatState(state), { existing: 'keep' });
}

/** Puts the roots, without their keys, beside the state; where. Errors: PrivateFileError. */
export function saveRoots(folder: string, pem: string): string {
  const file = path.join(folder, ROOTS_FILE);
  writePrivateFile(file, pem);
  return file;
}

function formatState(state: AuthorityState): string {
  return `${JSON.stringify({ version: VERSION, ...state }, undefined, 2)}\n`;
}

function parseState(value: unknown): AuthorityState | undefined {
  if (!isRecord(value) || value['version'] !== VERSION) return undefined;
  const { trustDomain, phase, roots, oldLeavesUntilMs } = value;
  if (typeof trustDomain !== 'string' || !Array.isArray(roots) || !roots.every(isStoredRoot))
    return undefined;
  if (phase !== 'steady' && phase !== 'distributing' && phase !== 'switched') return undefined;
  if (roots.length !== (phase === 'steady' ? 1 : 2)) return undefined;
  if (phase !== 'switched') return { trustDomain, phase, roots };
  if (typeof oldLeavesUntilMs !== 'number') return undefined;
  return { trustDomain, phase, roots, oldLeavesUntilMs };
}

function isStoredRoot(value: unknown): value is StoredRoot {
  return (
    isRecord(value) &&
    typeof value['certificatePem'] === 'string' &&
    typeof value['privateKeyPem'] === 'string'
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
