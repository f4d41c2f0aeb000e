import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import path from 'node:path';
import { systemClock, type Clock } from '@heddle/common';
import { JoinTokenError } from '../errors.js';
import { ensurePrivateFolder, readPrivateFile, writePrivateFile } from '../private-file.js';
import { parseSpiffeId, type SpiffeId } from '../spiffe-id.js';
import { MAX_JOIN_TOKEN_BYTES } from '../workload/join-token-file.js';

const KEY_FILE = 'join-token.key';
const REVOKED_FILE = 'revoked-join-tokens.json';
const KEY_BYTES = 32;
const MAX_REVOKED = 10_000;
const DAY_MS = 86_400_000;
/** Names the form, so that a later one can be told apart. */
const PREFIX = 'heddle1';

export interface JoinTokensOptions {
  /** The authority's folder: the key and the list of revoked tokens are kept in it. */
  readonly folder: string;
  readonly trustDomain: string;
  readonly clock?: Clock;
  /** Default 24 h. */
  readonly defaultTtlMs?: number;
  /** Who asks for more gets this. Default 30 days. */
  readonly maxTtlMs?: number;
}

export interface JoinToken {
  /** The secret. */
  readonly token: string;
  /** Names it in logs and for `revoke`. */
  readonly id: string;
  readonly spiffeId: SpiffeId;
  readonly expiresMs: number;
}

export type JoinTokenVerdict =
  | { readonly ok: true; readonly id: string; readonly spiffeId: SpiffeId; readonly expiresMs: number }
  | {
      readonly ok: false;
      readonly reason: 'malformed' | 'forged' | 'expired' | 'revoked' | 'other-trust-domain';
    };

/**
 * Opens the join tokens of an authority: with such a token a workload that has no certificate yet proves who it is.
 *
 * Errors: PrivateFileError, JoinTokenError where what is stored cannot be read.
 */
export function createJoinTokens(options: JoinTokensOptions): JoinTokens {
  ensurePrivateFolder(options.folder);
  const keyFile = path.join(options.folder, KEY_FILE);
  if (readPrivateFile(keyFile) === undefined) {
    // Another process may be as far: the first key stays, and both read it.
    writePrivateFile(keyFile, randomBytes(KEY_BYTES).toString('hex'), { existing: 'keep' });
  }
  const key = Buffer.from(readPrivateFile(keyFile)?.toString('latin1') ?? '', 'hex');
  if (key.length !== KEY_BYTES) throw new JoinTokenError(`${keyFile} does not hold a key`);
  return new JoinTokens(options, key, loadRevoked(options.folder));
}

/**
 * Issues and verifies join tokens.
 *
 * Shape: a token carries its identity, its end and a MAC over both, so none is stored: they outlive a restart, and any
 * number can be valid. A token may be used again until it ends or is revoked, for workloads restart as well.
 */
export class JoinTokens {
  readonly #options: JoinTokensOptions;
  readonly #clock: Clock;
  readonly #key: Buffer;
  /** From the id to its end, after which it need not be remembered. */
  readonly #revoked: Map<string, number>;

  /** To be made by `createJoinTokens` alone. */
  constructor(options: JoinTokensOptions, key: Buffer, revoked: Map<string, number>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#key = key;
    this.#revoked = revoked;
  }

  /** Makes a token for one identity. Errors: JoinTokenError where it is no workload of the trust domain. */
  issue(spiffeId: SpiffeId, options: { readonly ttlMs?: number } = {}): JoinToken {
    const { trustDomain, defaultTtlMs = DAY_MS, maxTtlMs = 30 * DAY_MS } = this.#options;
    const { ttlMs = defaultTtlMs } = options;
    if (spiffeId.trustDomain !== trustDomain || spiffeId.path === '') {
      throw new JoinTokenError(`${spiffeId.uri} is no workload of the trust domain ${trustDomain}`);
    }
    if (!(ttlMs > 0)) throw new JoinTokenError('a join token needs some time to live');
    const id = randomBytes(16).toString('hex');
    const expiresMs = Math.floor(this.#clock.nowMs() + Math.min(ttlMs, maxTtlMs));
    const payload = Buffer.from(JSON.stringify([id, spiffeId.uri, expiresMs])).toString('base64url');
    const token = `${PREFIX}.${payload}.${this.#mac(payload).toString('base64url')}`;
    return { token, id, spiffeId, expiresMs };
  }

  /** Makes a token and puts it into a file that only this user may read. Errors: JoinTokenError, PrivateFileError. */
  issueFile(file: string, spiffeId: SpiffeId, options: { readonly ttlMs?: number } = {}): JoinToken {
    const issued = this.issue(spiffeId, options);
    writePrivateFile(file, `${issued.token}\n`);
    return issued;
  }

  /** Who brings this token. Errors: none, whatever the text is. */
  verify(token: string): JoinTokenVerdict {
    if (token.length > MAX_JOIN_TOKEN_BYTES) return { ok: false, reason: 'malformed' };
    const [prefix, payload, mac, ...rest] = token.split('.');
    if (prefix !== PREFIX || payload === undefined || mac === undefined || rest.length > 0) {
      return { ok: false, reason: 'malformed' };
    }
    // As text: several texts decode to the same bytes, and only one of them was issued.
    const expected = Buffer.from(this.#mac(payload).toString('base64url'));
    const given = Buffer.from(mac);
    // Of equal length, so that the comparison takes the same time wherever they differ.
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      return { ok: false, reason: 'forged' };
    }
    return this.#verdictOn(payload);
  }

  /** Makes a token worthless before its end. Errors: JoinTokenError where too many are; PrivateFileError. */
  revoke(token: Pick<JoinToken, 'id' | 'expiresMs'>): void {
    const revoked = new Map([...this.#revoked].filter(([, expiresMs]) => expiresMs > this.#clock.nowMs()));
    revoked.set(token.id, token.expiresMs);
    if (revoked.size > MAX_REVOKED) throw new JoinTokenError(`more than ${MAX_REVOKED} tokens are revoked`);
    writePrivateFile(path.join(this.#options.folder, REVOKED_FILE), `${JSON.stringify([...revoked])}\n`);
    this.#revoked.clear();
    for (const [id, expiresMs] of revoked) this.#revoked.set(id, expiresMs);
  }

  /** What stands behind a MAC was written here, but perhaps by another version. */
  #verdictOn(payload: string): JoinTokenVerdict {
    const parsed = parsePayload(payload);
    if (parsed === undefined) return { ok: false, reason: 'malformed' };
    const { id, spiffeId, expiresMs } = parsed;
    if (spiffeId.trustDomain !== this.#options.trustDomain)
      return { ok: false, reason: 'other-trust-domain' };
    if (!(this.#clock.nowMs() < expiresMs)) return { ok: false, reason: 'expired' };
    if (this.#revoked.has(id)) return { ok: false, reason: 'revoked' };
    return { ok: true, id, spiffeId, expiresMs };
  }

  #mac(payload: string): Buffer {
    return createHmac('sha256', this.#key).update(`${PREFIX}.${payload}`).digest();
  }
}

function parsePayload(payload: string): { id: string; spiffeId: SpiffeId; expiresMs: number } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const [id, uri, expiresMs] = value as unknown[];
  if (typeof id !== 'string' || typeof uri !== 'string' || typeof expiresMs !== 'number') return undefined;
  const parsed = parseSpiffeId(uri);
  return parsed.ok ? { id, spiffeId: parsed.id, expiresMs } : undefined;
}

function loadRevoked(folder: string): Map<string, number> {
  const file = path.join(folder, REVOKED_FILE);
  const bytes = readPrivateFile(file, 2 * 1024 * 1024);
  if (bytes === undefined) return new Map();
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new JoinTokenError(`${file} is not JSON`, { cause: error });
  }
  if (!Array.isArray(value) || !value.every(isRevokedEntry)) {
    throw new JoinTokenError(`${file} is not a list of revoked tokens`);
  }
  return new Map(value);
}

function isRevokedEntry(value: unknown): value is [string, number] {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number';
}
