import { unknownFieldsOf } from '@heddle/xds-protos';
import type { Problem, Translated } from '../config/problem.js';

/**
 * Parts of a resource in which a field that we do not know may not be passed over: there it would turn
 * "match some" into "match all", or take a check away.
 */
const DECISIVE =
  /(^|\.)(match|filter_chain_match|string_match|safe_regex\w*|headers|query_parameters|transport_socket|transport_socket_matches|tls_context|allow_origin_string_match|weighted_clusters)(?=[.[]|$)/;

/** Collects what is wrong with one resource while it is translated. */
export class Findings {
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];

  /** Something for which the resource is refused. */
  problem(path: string, message: string): void {
    this.problems.push({ path, message });
  }

  /** Something that is accepted and has no effect here. */
  warn(path: string, message: string): void {
    this.warnings.push({ path, message });
  }

  /**
   * Reports the fields of a decoded message, and of those in it, that our protos do not have. In a message that is
   * `decisive` as a whole none may be passed over.
   */
  unknownFields(message: object, path: string, decisive = false): void {
    for (const field of unknownFieldsOf(message)) {
      const at = join(path, field.path);
      if (decisive || DECISIVE.test(at)) {
        this.problem(at, `unknown field number ${field.tag} where it may change what matches`);
      } else this.warn(at, `unknown field number ${field.tag} has no effect`);
    }
  }

  /** A field that is set and that we do not implement: `decisive` when leaving it out would change routing or security. */
  unsupported(
    path: string,
    isSet: boolean,
    decisive: 'problem' | 'warning',
    what = 'is not supported',
  ): void {
    if (!isSet) return;
    if (decisive === 'problem') this.problem(path, what);
    else this.warn(path, `${what} and has no effect`);
  }

  /** Takes over what another translation found, below `path`. */
  take<T>(translated: Translated<T>): T | undefined {
    if (!translated.ok) {
      this.problems.push(...translated.problems);
      return undefined;
    }
    this.warnings.push(...translated.warnings);
    return translated.value;
  }

  /** The outcome: `value` when nothing was wrong. */
  finish<T>(value: T): Translated<T> {
    return this.problems.length > 0
      ? { ok: false, problems: this.problems }
      : { ok: true, value, warnings: this.warnings };
  }
}

/** `a` and `b` as one path; either may be empty. */
export function join(a: string, b: string): string {
  if (a === '' || b === '') return a + b;
  return b.startsWith('[') ? a + b : `${a}.${b}`;
}
