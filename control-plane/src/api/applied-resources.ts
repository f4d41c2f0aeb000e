import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MeshResource } from '../model/mesh-resource.js';
import type { SourceProblem } from '../model/source-problem.js';
import type { FileSource } from '../source/file-source.js';
import { parseMeshFile } from '../source/parse-mesh-file.js';

/** What became of a resource that was written through the API. */
export type ApplyOutcome =
  | { readonly ok: true; readonly warnings: readonly SourceProblem[] }
  | { readonly ok: false; readonly problems: readonly SourceProblem[] };

/**
 * Resources written through the API: one file each, in a folder that is watched like every other, so that they survive a
 * restart and are seen, refused and removed by the same rules as what users write themselves.
 */
export class AppliedResources {
  readonly #folder: string;
  readonly #source: FileSource;

  constructor(folder: string, source: FileSource) {
    this.#folder = folder;
    this.#source = source;
  }

  /** Checks first: with errors nothing is written. In force when it resolves. */
  async put(kind: string, namespace: string, name: string, text: string): Promise<ApplyOutcome> {
    const { resources, problems } = parseMeshFile(text, 'request body');
    const errors = problems.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) return { ok: false, problems: errors };
    const [resource, ...others] = resources;
    if (resource === undefined || others.length > 0 || !isNamed(resource, kind, namespace, name)) {
      const found = resources.map((r) => `${r.kind} ${r.namespace}/${r.name}`).join(', ') || 'nothing';
      return { ok: false, problems: [mismatch(`${kind} ${namespace}/${name}`, found)] };
    }
    await mkdir(this.#folder, { recursive: true });
    const file = this.#fileOf(kind, namespace, name);
    await writeFile(`${file}.tmp`, text, { mode: 0o600 });
    await rename(`${file}.tmp`, file);
    await this.#source.rescan();
    return { ok: true, warnings: problems };
  }

  /** Only what came by the API can be removed by it. Returns whether there was such a resource. */
  async delete(kind: string, namespace: string, name: string): Promise<boolean> {
    try {
      await rm(this.#fileOf(kind, namespace, name));
    } catch {
      return false;
    }
    await this.#source.rescan();
    return true;
  }

  /** Encoded, so that no name leads out of the folder. */
  #fileOf(kind: string, namespace: string, name: string): string {
    return join(this.#folder, `${[kind, namespace, name].map(encodeURIComponent).join('.')}.yaml`);
  }
}

function isNamed(resource: MeshResource, kind: string, namespace: string, name: string): boolean {
  return resource.kind === kind && resource.namespace === namespace && resource.name === name;
}

function mismatch(wanted: string, found: string): SourceProblem {
  return {
    severity: 'error',
    file: 'request body',
    line: 0,
    column: 0,
    field: '',
    message: `the path names ${wanted}, the body holds ${found}`,
    expected: 'one resource, the same as in the path',
  };
}
