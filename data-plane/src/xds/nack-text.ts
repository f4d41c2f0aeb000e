import type { ResourceProblem } from './resource-set.js';

/** gRPC metadata and most servers' logs stand more; people do not. */
const MAX_TEXT = 8192;

/**
 * Every problem of one answer, one a line, for `error_detail`.
 *
 * Shape: bounded; what does not fit is counted in the last line.
 */
export function nackText(noun: string, problems: readonly ResourceProblem[], maxLength = MAX_TEXT): string {
  const lines: string[] = [];
  let length = 0;
  for (const [i, { resource, message }] of problems.entries()) {
    const line = resource === '' ? message : `${noun} "${resource}": ${message}`;
    if (length + line.length + 1 > maxLength - 40) {
      if (lines.length === 0) lines.push(`${line.slice(0, maxLength - 41)}…`);
      const left = problems.length - Math.max(i, 1);
      if (left > 0) lines.push(`and ${left} more problems`);
      break;
    }
    lines.push(line);
    length += line.length + 1;
  }
  return lines.join('\n');
}
