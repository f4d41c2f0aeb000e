import { HiddenText } from '@heddle/engine';
import type { SecretSpec } from '../model/specs/services.js';
import type { SchemaProblem } from './validate-resource.js';
import { checkCertificates } from './check-certificates.js';

/**
 * What a Secret holds, decoded and hidden from whatever prints it, and every mistake in its certificates.
 *
 * Source: `data` is base64, `stringData` is plain and goes before it. Errors: no message holds any part of a value.
 */
export function readSecret(document: Readonly<Record<string, unknown>>): {
  readonly spec: SecretSpec;
  readonly problems: readonly SchemaProblem[];
} {
  const problems: SchemaProblem[] = [];
  const values = new Map<string, string>();
  const places = new Map<string, readonly string[]>();
  for (const [name, encoded] of entriesOf(document['data'])) {
    places.set(name, ['data', name]);
    const text = decodeBase64(encoded);
    if (text === undefined) {
      problems.push({
        path: ['data', name],
        message: `${name} is not valid base64`,
        expected: 'base64; plain text goes into stringData',
        at: 'key',
      });
    } else values.set(name, text);
  }
  for (const [name, text] of entriesOf(document['stringData'])) {
    places.set(name, ['stringData', name]);
    values.set(name, text);
  }
  const type = typeof document['type'] === 'string' ? document['type'] : 'Opaque';
  if (problems.length === 0) problems.push(...checkCertificates(type, values, places));
  const data = Object.fromEntries([...values].map(([name, text]) => [name, new HiddenText(text)]));
  return { spec: { type, data }, problems };
}

function entriesOf(written: unknown): [string, string][] {
  if (typeof written !== 'object' || written === null) return [];
  return Object.entries(written).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
}

/** Strict, but line breaks may stand in it. */
function decodeBase64(encoded: string): string | undefined {
  const compact = encoded.replaceAll(/\s/g, '');
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return undefined;
  return Buffer.from(compact, 'base64').toString('latin1');
}
