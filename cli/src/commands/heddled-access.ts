import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HeddledClient } from '../launcher/heddled-client.js';

export interface HeddledAccessOptions {
  /** Of `heddle up`: port and token of its heddled are found there. */
  readonly stateFolder: string;
  /** Of another heddled. */
  readonly apiPort: number | undefined;
  readonly tokenFile: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * The API of the heddled that a command is for: the one that is named, or that of the `heddle up` of a state folder.
 *
 * Errors: throws where there is none, with what to do.
 */
export function heddledClient(options: HeddledAccessOptions): {
  readonly client: HeddledClient;
  readonly apiPort: number;
  /** Empty: not known. */
  readonly token: string;
} {
  const { apiPort, tokenFile, environment } = options;
  const given = tokenFile === undefined ? environment['HEDDLE_TOKEN'] : readToken(tokenFile);
  if (apiPort !== undefined) {
    const token = given ?? '';
    return { client: new HeddledClient(apiPort, token), apiPort, token };
  }
  const file = join(options.stateFolder, 'heddled.json');
  let found: { readonly apiPort: number; readonly token: string };
  try {
    found = JSON.parse(readFileSync(file, 'utf8')) as typeof found;
  } catch {
    throw new Error(
      `no heddled is known in ${options.stateFolder}; --state-dir names that of a running "heddle up", --api-port and --token-file another heddled`,
    );
  }
  const token = given ?? found.token;
  return { client: new HeddledClient(found.apiPort, token), apiPort: found.apiPort, token };
}

function readToken(file: string): string {
  const token = readFileSync(file, 'utf8').trim();
  if (token === '') throw new Error(`${file} is empty`);
  return token;
}
