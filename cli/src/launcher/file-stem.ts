import { createHash } from 'node:crypto';

const MAX_STEM_LENGTH = 120;

/**
 * The name of a thing's files: logs, bootstrap, state. Equal names of two namespaces stay apart, and long ones fit a file
 * system's limit of 255 bytes with every ending.
 */
export function fileStem(name: string, namespace: string): string {
  const whole = namespace === 'default' ? name : `${name}@${namespace}`;
  return shortened(whole, MAX_STEM_LENGTH);
}

/** Itself when short enough, else its beginning and a hash of all of it. */
export function shortened(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 10);
  return `${text.slice(0, maxLength - hash.length - 1)}-${hash}`;
}
