import { readFileSync } from 'node:fs';

/** How this proxy calls itself towards control planes. */
export const PRODUCT_NAME = 'heddle-proxy';

/** The version of the package. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/** The version in three numbers, as `envoy.type.v3.SemanticVersion` has it. */
export function versionNumbers(): { majorNumber: number; minorNumber: number; patch: number } {
  const [majorNumber = 0, minorNumber = 0, patch = 0] = VERSION.split(/[.+-]/).map(Number);
  return { majorNumber, minorNumber, patch };
}
