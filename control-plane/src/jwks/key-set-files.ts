import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@heddle/common';
import { MAX_JWKS_BYTES, parseJwks } from '@heddle/engine';
import { formatJwks } from '../model/format-jwks.js';

/** The last good key sets on disk, so that heddled has them when it starts while their issuers are away. */
export class KeySetFiles {
  readonly #folder: string;
  readonly #log: Logger;

  constructor(folder: string, log: Logger) {
    this.#folder = folder;
    this.#log = log;
  }

  /** Undefined when there is none, or none that can be used. */
  load(source: string): string | undefined {
    const path = this.#path(source);
    try {
      // What surrounds the keys is short.
      if (statSync(path).size > 2 * MAX_JWKS_BYTES) return undefined;
      const { source: named, jwks } = JSON.parse(readFileSync(path, 'utf8')) as {
        readonly source?: unknown;
        readonly jwks?: unknown;
      };
      if (named !== source || typeof jwks !== 'string') return undefined;
      const { keys } = parseJwks(jwks);
      return keys.length === 0 ? undefined : formatJwks(keys);
    } catch {
      return undefined;
    }
  }

  /** Errors: none; a disk that is full is logged, and costs no more than the next start. */
  save(source: string, jwks: string): void {
    const path = this.#path(source);
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(`${path}.new`, JSON.stringify({ source, jwks }), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch (cause) {
      this.#log.warn('a key set cannot be kept on disk', { source, cause: String(cause) });
    }
  }

  remove(source: string): void {
    try {
      rmSync(this.#path(source), { force: true });
    } catch (cause) {
      this.#log.warn('a key set cannot be removed from disk', { source, cause: String(cause) });
    }
  }

  #path(source: string): string {
    return join(this.#folder, `${createHash('sha256').update(source).digest('hex')}.json`);
  }
}
