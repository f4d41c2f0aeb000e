import { mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Istio's names. */
const FILES = ['cert-chain.pem', 'key.pem', 'root-cert.pem'] as const;
const CURRENT = '..data';

export interface CertificateParts {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly rootsPem: string;
}

/**
 * A certificate with its key and the roots as files, for programs that take no other form, such as gRPC's.
 *
 * All three change at once, as in a mounted volume of Kubernetes: the files are links through `..data`, which is turned to a
 * new folder. Shape: folder 0700, files 0600.
 */
export class CertificateFiles {
  readonly #folder: string;
  #count = 0;

  /** Errors: the folder cannot be made, or others may enter it. */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { mode } = statSync(folder);
    if ((mode & 0o077) !== 0) throw new Error(`${folder} is open to other users: make it 0700`);
  }

  /** Errors: they cannot be written; then the ones before stay. */
  write(parts: CertificateParts): void {
    const name = `..${Date.now()}-${process.pid}-${this.#count++}`;
    const folder = join(this.#folder, name);
    mkdirSync(folder, { mode: 0o700 });
    const texts = [parts.chainPem, parts.keyPem, parts.rootsPem];
    for (const [i, file] of FILES.entries())
      writeFileSync(join(folder, file), texts[i] ?? '', { mode: 0o600 });
    this.#link(name, CURRENT);
    for (const file of FILES) this.#link(join(CURRENT, file), file);
    // What an earlier run left behind goes as well.
    for (const other of readdirSync(this.#folder)) {
      if (/^\.\.\d+-\d+-\d+$/.test(other) && other !== name)
        rmSync(join(this.#folder, other), { recursive: true, force: true });
    }
  }

  #link(target: string, name: string): void {
    const fresh = join(this.#folder, `${basename(name)}.new`);
    rmSync(fresh, { force: true });
    symlinkSync(target, fresh);
    renameSync(fresh, join(this.#folder, name));
  }
}
