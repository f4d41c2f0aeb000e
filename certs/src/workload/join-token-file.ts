import { JoinTokenError } from '../errors.js';
import { readPrivateFile } from '../private-file.js';

/** Longer tokens are neither issued nor read. */
export const MAX_JOIN_TOKEN_BYTES = 4096;

/**
 * The token with which a workload proves to the authority who it is, from a file that nobody else may read.
 *
 * Errors: JoinTokenError where there is no file or no token in it; PrivateFileError where others may read it.
 */
export function readJoinToken(file: string): string {
  const bytes = readPrivateFile(file, MAX_JOIN_TOKEN_BYTES + 2);
  if (bytes === undefined) throw new JoinTokenError(`there is no join token at ${file}`);
  const token = bytes.toString('latin1').trim();
  if (!/^[\w.-]+$/.test(token)) throw new JoinTokenError(`${file} does not hold a join token`);
  return token;
}
