import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import type { Clock } from '@heddle/common';
import { waitUntil } from '../readiness.js';

/** Namespaces, entered by a command that begins with these words. */
export interface Namespaces {
  /** Of the process that keeps them. */
  readonly pid: number;
  /** Whether they are inside a user namespace, which has to be entered, too. */
  readonly inUserNamespace: boolean;
}

const START_TIMEOUT_MS = 5_000;

/**
 * A process that does nothing but keep namespaces. It ends when this process does, however that ends, and with the last process in
 * them the namespaces are gone, with everything that was set up inside.
 */
export class NamespaceHolder implements Namespaces {
  readonly inUserNamespace: boolean;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, inUserNamespace: boolean) {
    this.#child = child;
    this.inUserNamespace = inUserNamespace;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  /**
   * Starts one in new namespaces: network and mounts, below `parent` or with a user namespace of its own.
   * Resolves with why that is not possible, where it is not.
   */
  static async start(
    options: { readonly parent: Namespaces } | { readonly withUserNamespace: boolean },
    clock: Clock,
    environment: Readonly<Record<string, string | undefined>>,
  ): Promise<NamespaceHolder | string> {
    const parent = 'parent' in options ? options.parent : undefined;
    const withUser = 'withUserNamespace' in options && options.withUserNamespace;
    const words = [
      ...(parent === undefined ? [] : enterCommand(parent)),
      ...['unshare', ...(withUser ? ['--user', '--map-root-user'] : []), '--net', '--mount', 'cat'],
    ];
    const [command = '', ...args] = words;
    // `cat` ends with its input, which is ours.
    const child = spawn(command, args, {
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
      env: environment,
    });
    let failure: string | undefined;
    let said = '';
    child.stdin?.on('error', () => undefined);
    child.stderr?.on('data', (chunk: Buffer) => (said = (said + String(chunk)).slice(-2_000)));
    child.once('error', (error) => (failure = error.message));
    child.once('exit', () => (failure ??= said.trim().split('\n')[0] || `${command} ended at once`));
    const before = readlinkSync(`/proc/${parent?.pid ?? 'self'}/ns/net`);
    const isIn = await waitUntil(
      () => Promise.resolve(failure !== undefined || isHolding(child.pid ?? 0, before)),
      clock,
      START_TIMEOUT_MS,
    );
    if (isIn && failure === undefined) {
      child.unref();
      return new NamespaceHolder(child, withUser || (parent?.inUserNamespace ?? false));
    }
    child.kill('SIGKILL');
    return failure ?? `${command} did not start within ${START_TIMEOUT_MS / 1000} s`;
  }
}

/** It has become `cat`, so that all namespaces are made, and mapped. */
function isHolding(pid: number, netNamespaceBefore: string): boolean {
  try {
    return (
      readlinkSync(`/proc/${pid}/ns/net`) !== netNamespaceBefore &&
      readFileSync(`/proc/${pid}/comm`, 'utf8') === 'cat\n'
    );
  } catch {
    return false;
  }
}

/** The words before a command that is to run inside. */
export function enterCommand(namespaces: Namespaces): readonly string[] {
  return [
    ...['nsenter', '--target', String(namespaces.pid)],
    ...(namespaces.inUserNamespace ? ['--user', '--preserve-credentials'] : []),
    ...['--net', '--mount', '--'],
  ];
}

/** The same in a folder: entering another mount namespace leads to its root. */
export function enterCommandIn(namespaces: Namespaces, folder: string): readonly string[] {
  return [...enterCommand(namespaces), 'sh', '-c', 'cd "$0" && exec "$@"', folder];
}
