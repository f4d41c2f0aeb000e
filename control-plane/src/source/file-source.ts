import type { MeshResource } from '../model/mesh-resource.js';
import type { SourceProblem } from '../model/source-problem.js';

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
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
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
  void options;
  throw new Error('being built');
}
