import type { StreamInfo } from '../http/stream-info.js';

/**
 * Reads `%DYNAMIC_METADATA(namespace:key:key…)%`: a text as it is, a number as a number, everything else as JSON.
 *
 * Source: Envoy, access log command operators. In JSON logs, too, lists and objects are texts here.
 * Errors: a text that says what is wrong with the argument.
 */
export function compileDynamicMetadata(
  argument: string | undefined,
): ((info: StreamInfo) => string | number | undefined) | { readonly problem: string } {
  if (argument === undefined || argument === '') return { problem: 'needs a namespace in parentheses' };
  const [namespace = '', ...keys] = argument.split(':');
  return (info) => {
    let value: unknown = info.dynamicMetadata?.get(namespace);
    for (const key of keys) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
      value = (value as Readonly<Record<string, unknown>>)[key];
    }
    if (value === undefined || typeof value === 'number') return value;
    return asBytes(typeof value === 'string' ? value : JSON.stringify(value));
  };
}

// eslint-disable-next-line no-control-regex -- ASCII is all of it
const ASCII = /^[\u0000-\u007f]*$/;

/** As header values are: each byte of the UTF-8 one character. */
function asBytes(text: string): string {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}
