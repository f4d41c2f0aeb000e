import { watch, type FSWatcher } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { MeshResource } from '../model/mesh-resource.js';
import { problemAt, type SourceProblem } from '../model/source-problem.js';
import { parseMeshFile, type ParsedMeshFile } from './parse-mesh-file.js';
import { standInProblem } from './stand-in.js';

/** The state of a source after a change, whole. */
export interface SourceChange {
  /** All resources in force: valid ones, and the last good versions of those that are not. By `KIND/NAMESPACE/NAME`. */
  readonly resources: ReadonlyMap<string, MeshResource>;
  /** All mistakes there are now, in the order of files and lines. */
  readonly problems: readonly SourceProblem[];
  /** Keys that are new or whose content changed. */
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

export interface FileSourceLog {
  warn(message: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
}

export interface FileSourceClock {
  setTimer(delayMs: number, callback: () => void): { cancel(): void };
}

export interface FileSourceOptions {
  /** Watched with everything below them; a folder may appear later. */
  readonly folders: readonly string[];
  readonly log: FileSourceLog;
  readonly clock: FileSourceClock;
  /** Called once when everything was read, then after each change. */
  readonly onChange: (change: SourceChange) => void;
  /** Units: ms. Default 60. */
  readonly debounceMs?: number;
  /** Units: ms. Default 1000. How often files are looked at even when the operating system says nothing. */
  readonly rescanMs?: number;
  /** Default 1 MiB. */
  readonly maxFileBytes?: number;
  /** Default 10,000. */
  readonly maxFiles?: number;
  /** Default 50,000. */
  readonly maxResources?: number;
}

export interface FileSource {
  /** Settled after the first `onChange`. */
  readonly ready: Promise<void>;
  /** Looks at all files now, and calls `onChange` before it settles when something changed. */
  rescan(): Promise<void>;
  /** Ends every watch and timer; no `onChange` after it. */
  close(): void;
}

/** Reads and watches folders of YAML and JSON. */
export function createFileSource(options: FileSourceOptions): FileSource {
  return new FolderSource(options);
}

/** What is known of one file. */
interface KnownFile {
  /** Size and times: another stamp means that it must be read again. */
  readonly stamp: string;
  /** In force from this file: the good ones, and the last good of the rest. */
  readonly resources: readonly MeshResource[];
  /** Those of them that are no longer written so in the file. */
  readonly kept: ReadonlySet<MeshResource>;
  /** Whether all of it could be read at some time: then what is in force from it is a good version. */
  readonly wasReadable: boolean;
  readonly problems: readonly SourceProblem[];
}

const maxDepth = 32;

class FolderSource implements FileSource {
  readonly ready: Promise<void>;
  readonly #options: Required<FileSourceOptions>;
  readonly #watchers = new Map<string, FSWatcher>();
  #files = new Map<string, KnownFile>();
  #folderProblems: readonly SourceProblem[] = [];
  #inForce = new Map<string, MeshResource>();
  #shownProblems = '';
  #emitted = false;
  #timer: { cancel(): void } | undefined;
  #pending: { cancel(): void } | undefined;
  #scanning: Promise<void> | undefined;
  #again: Promise<void> | undefined;
  #closed = false;

  constructor(options: FileSourceOptions) {
    this.#options = {
      debounceMs: 60,
      rescanMs: 1_000,
      maxFileBytes: 1_048_576,
      maxFiles: 10_000,
      maxResources: 50_000,
      ...options,
    };
    this.ready = this.rescan();
    this.#plan();
  }

  /** A scan that starts after this call: one that is under way may have passed the file in question already. */
  rescan(): Promise<void> {
    if (this.#scanning === undefined) {
      this.#scanning = this.#scan().finally(() => (this.#scanning = undefined));
      return this.#scanning;
    }
    this.#again ??= this.#scanning.then(() => {
      this.#again = undefined;
      return this.rescan();
    });
    return this.#again;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#pending?.cancel();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #plan(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimer(this.#options.rescanMs, () => {
      void this.rescan().finally(() => this.#plan());
    });
  }

  /** The first sign of a change starts the wait; later signs do not lengthen it. */
  #soon(): void {
    if (this.#closed || this.#pending !== undefined) return;
    this.#pending = this.#options.clock.setTimer(this.#options.debounceMs, () => {
      this.#pending = undefined;
      void this.rescan();
    });
  }

  async #scan(): Promise<void> {
    try {
      const folders = new Set<string>();
      const problems: SourceProblem[] = [];
      const paths = await this.#listFiles(folders, problems);
      const files = new Map<string, KnownFile>();
      for (const path of paths) {
        const known = await this.#readFile(path);
        if (known !== undefined) files.set(path, known);
      }
      if (this.#closed) return;
      // A folder that cannot be read right now has lost nothing: what came from it stays.
      for (const problem of problems) {
        for (const [path, known] of this.#files) {
          if (!files.has(path) && path.startsWith(`${problem.file}/`)) files.set(path, known);
        }
      }
      this.#files = files;
      this.#folderProblems = problems;
      this.#watch(folders);
      this.#publish();
    } catch (error) {
      this.#options.log.warn('cannot look at the files', { reason: messageOf(error) });
    }
  }

  async #listFiles(folders: Set<string>, problems: SourceProblem[]): Promise<readonly string[]> {
    const paths: string[] = [];
    const { maxFiles } = this.#options;
    const visit = async (folder: string, depth: number, isRoot: boolean): Promise<void> => {
      let entries;
      try {
        entries = await readdir(folder, { withFileTypes: true });
      } catch (error) {
        if (!isAbsence(error)) problems.push(fileProblem(folder, `cannot be read: ${messageOf(error)}`));
        else if (isRoot) problems.push(fileProblem(folder, 'this folder does not exist', 'warning'));
        return;
      }
      folders.add(folder);
      for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
        const path = join(folder, entry.name);
        if (entry.isDirectory()) {
          if (depth >= maxDepth) problems.push(fileProblem(path, `lies more than ${maxDepth} folders deep`));
          else await visit(path, depth + 1, false);
        } else if (/\.(ya?ml|json)$/i.test(entry.name)) {
          if (paths.length < maxFiles) paths.push(path);
          else if (paths.length === maxFiles) {
            problems.push(
              fileProblem(path, `there are more than ${maxFiles} files; this and the following are left out`),
            );
            return;
          }
        }
      }
    };
    for (const folder of this.#options.folders) await visit(folder, 0, true);
    return [...new Set(paths)];
  }

  async #readFile(path: string): Promise<KnownFile | undefined> {
    const before = this.#files.get(path);
    try {
      const { size, mtimeMs, ctimeMs, ino } = await stat(path);
      const stamp = `${size} ${mtimeMs} ${ctimeMs} ${ino}`;
      if (before?.stamp === stamp) return before;
      const { maxFileBytes } = this.#options;
      if (size > maxFileBytes) {
        const problem = fileProblem(path, `has ${size} bytes, more than ${maxFileBytes}`);
        return { stamp, ...keepAll(before), problems: [problem] };
      }
      // Who writes a file in place empties it first: read at that moment, it would take away all that it holds.
      if (size === 0 && before !== undefined && before.resources.length > 0) {
        const message = 'is empty: what it held stays in force until the file is written or deleted';
        return { stamp, ...keepAll(before), problems: [fileProblem(path, message, 'warning')] };
      }
      const source = await readFile(path, 'utf8');
      return { stamp, ...keepLastGood(parseMeshFile(source, shownName(path)), before) };
    } catch (error) {
      if (isAbsence(error)) return undefined;
      const problem = fileProblem(path, `cannot be read: ${messageOf(error)}`);
      return { stamp: '', ...keepAll(before), problems: [problem] };
    }
  }

  #watch(folders: ReadonlySet<string>): void {
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of folders) {
      if (this.#watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, () => this.#soon());
        watcher.on('error', () => {
          watcher.close();
          this.#watchers.delete(folder);
        });
        this.#watchers.set(folder, watcher);
      } catch (error) {
        // Too many watches, or a file system without them: the regular look remains.
        this.#options.log.warn('cannot watch a folder; it is looked at regularly', {
          folder,
          reason: messageOf(error),
        });
      }
    }
  }

  #publish(): void {
    const problems: SourceProblem[] = [...this.#folderProblems];
    const resources = new Map<string, MeshResource>();
    let left = 0;
    const add = (resource: MeshResource): void => {
      const first = resources.get(resource.key);
      if (first === undefined && resources.size < this.#options.maxResources)
        resources.set(resource.key, resource);
      else if (first === undefined) left++;
      else problems.push(duplicateOf(resource, first));
    };
    // Where two files hold a resource, the one that is in force stays: a new file takes nothing from a serving one.
    const written: MeshResource[] = [];
    const contested: MeshResource[] = [];
    for (const { resources: all, kept, problems: own } of this.#files.values()) {
      problems.push(...own);
      for (const resource of all) {
        if (kept.has(resource)) continue;
        const inForce = this.#inForce.get(resource.key);
        const isOther = inForce !== undefined && inForce.origin.file !== resource.origin.file;
        (isOther ? contested : written).push(resource);
      }
    }
    for (const resource of written) add(resource);
    for (const resource of contested) add(resource);
    // What is written somewhere goes before what is only remembered.
    for (const { kept } of this.#files.values()) {
      for (const resource of kept) if (!resources.has(resource.key)) add(resource);
    }
    if (left > 0) {
      const message = `there are more than ${this.#options.maxResources} resources; ${left} are left out`;
      problems.push(fileProblem(this.#options.folders.join(', '), message));
    }
    problems.sort(compareProblems);
    const changed: string[] = [];
    for (const [key, resource] of resources) {
      if (this.#inForce.get(key)?.contentHash !== resource.contentHash) changed.push(key);
    }
    const removed = [...this.#inForce.keys()].filter((key) => !resources.has(key));
    const shownProblems = JSON.stringify(problems);
    const isSame = changed.length === 0 && removed.length === 0 && shownProblems === this.#shownProblems;
    this.#inForce = resources;
    this.#shownProblems = shownProblems;
    if (isSame && this.#emitted) return;
    this.#emitted = true;
    this.#options.onChange({ resources, problems, changed: changed.sort(), removed: removed.sort() });
  }
}

/** What a file gives after it was read again: its good resources, and of the others what was good before. */
function keepLastGood(parsed: ParsedMeshFile, before: KnownFile | undefined): Omit<KnownFile, 'stamp'> {
  const good = new Set(parsed.resources.map(({ key }) => key));
  const lastGood = (before?.resources ?? []).filter(({ standsIn }) => standsIn !== true);
  const kept = lastGood.filter(({ key }) => !good.has(key) && (parsed.unreadable || parsed.refused.has(key)));
  const wasReadable = before?.wasReadable === true;
  const standIns = parsed.standIns.filter(({ insteadOf }) =>
    insteadOf === undefined
      ? !wasReadable
      : !good.has(insteadOf) && !lastGood.some(({ key }) => key === insteadOf),
  );
  const seen = new Set<string>();
  const unique: MeshResource[] = [];
  const problems = [...parsed.problems, ...standIns.map(standInProblem)];
  for (const resource of parsed.resources) {
    if (seen.has(resource.key)) {
      const first = unique.find(({ key }) => key === resource.key);
      if (first !== undefined) problems.push(duplicateOf(resource, first));
      continue;
    }
    seen.add(resource.key);
    unique.push(resource);
  }
  const all = [...kept, ...standIns.map(({ resource }) => resource)];
  return {
    resources: [...unique, ...all],
    kept: new Set(all),
    wasReadable: wasReadable || !parsed.unreadable,
    problems,
  };
}

function keepAll(before: KnownFile | undefined): Pick<KnownFile, 'resources' | 'kept' | 'wasReadable'> {
  const resources = before?.resources ?? [];
  return { resources, kept: new Set(resources), wasReadable: before?.wasReadable === true };
}

function duplicateOf(second: MeshResource, first: MeshResource): SourceProblem {
  return problemAt(second, ['metadata', 'name'], {
    message: `stands already at ${first.origin.file}:${first.origin.line}, and that one is in force`,
    expected: 'each resource once',
  });
}

function fileProblem(path: string, message: string, severity: 'error' | 'warning' = 'error'): SourceProblem {
  return { severity, file: shownName(path), line: 0, column: 0, field: '', message };
}

/** Relative to where the user is, when it is below. */
function shownName(path: string): string {
  const short = relative(process.cwd(), path);
  return short !== '' && !short.startsWith('..') ? short : path;
}

function compareProblems(a: SourceProblem, b: SourceProblem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

function isAbsence(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
