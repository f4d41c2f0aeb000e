/** The form of every code: constant, upper-case, never reused for another meaning. */
export type MeshErrorCode = `MESH_${string}`;

/**
 * The base of every error that Heddle throws on purpose.
 *
 * Shape: a subclass sets `code` to a constant that is listed in docs/errors.md; callers compare codes, never messages
 * or classes, because two copies of a package may be loaded. What went wrong underneath is kept in `cause`.
 *
 *     export class BootstrapError extends MeshError {
 *       override readonly code = 'MESH_BOOTSTRAP';
 *     }
 */
export abstract class MeshError extends Error {
  abstract readonly code: MeshErrorCode;

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    // On the prototype's behalf: subclasses would otherwise all print as "Error".
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true, writable: true });
  }
}

/** Whether a thrown value is one of ours, also when it was made by another copy of this package. */
export function isMeshError(value: unknown): value is MeshError {
  return (
    value instanceof Error &&
    'code' in value &&
    typeof value.code === 'string' &&
    value.code.startsWith('MESH_')
  );
}

/** Something that this code promises itself was not so; the process should end rather than go on. */
export class BrokenInvariantError extends MeshError {
  override readonly code = 'MESH_BROKEN_INVARIANT';
}

/**
 * Asserts what must hold whatever the input was.
 *
 * Errors: BrokenInvariantError. Never use it on input: bad input is refused with a reason.
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BrokenInvariantError(message);
}

/** The message of anything that was thrown, with the messages of its causes, on one line. */
export function describeError(thrown: unknown): string {
  const parts: string[] = [];
  let current = thrown;
  // Causes may form a loop, so the walk is bounded.
  for (let depth = 0; depth < 8 && current !== undefined; depth++) {
    if (!(current instanceof Error)) {
      parts.push(printable(current));
      break;
    }
    parts.push(current.message === '' ? current.name : current.message);
    current = current.cause;
  }
  return parts.join(': ').replace(/[\r\n]+/g, ' ');
}

function printable(value: unknown): string {
  try {
    return String(value);
  } catch {
    return 'a value without a text form';
  }
}
