import { STATUS_CODES } from 'node:http';
import type { HeaderMap } from '@heddle/engine';

/** Bytes that would end a value, or be cut to something else when written as latin1. */
const UNSAFE = /[^\t\x20-\x7e\x80-\xff]/;
// eslint-disable-next-line no-control-regex -- what must not be written
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/g;
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i;

/** Field names that were found to be safe, as they are written after the line before them; bounded. */
const safeNames = new Map<string, string>();
const MOST_SAFE_NAMES = 2048;

/** A status line for each status code that has been written. */
const statusLines = new Map<number, string>();

/** The first line of a response, without its end. */
export function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
    statusLines.set(status, line);
  }
  return line;
}

/** Whether a request target or method may be written: one word of visible ASCII (CVE-2023-27491). */
export function isSafeWord(word: string): boolean {
  return /^[\x21-\x7e]+$/.test(word);
}

/** Whether an authority may be written; it may be empty. */
export function isSafeAuthority(authority: string): boolean {
  return /^[\x21-\x7e]*$/.test(authority);
}

/**
 * The fields as HTTP/1.1 writes them, without those that the codec writes itself.
 *
 * Shape: latin1; each field begins with the end of the line before it. Characters above U+00FF become UTF-8; control bytes become spaces (RFC 9110 section 5.5); a field whose
 * name is not a token is left out.
 */
export function fieldText(headers: HeaderMap): string {
  const { names, values, checked } = headers;
  const written = headers.keepsCase ? headers.rawNames : names;
  let text = '';
  for (let i = 0; i < names.length; i++) {
    const name = written[i] as string;
    const start = safeNames.get(name) ?? fieldStart(name);
    if (start === '') continue;
    const value = values[i] as string;
    text += start + (i < checked ? value : safeFieldValue(value));
  }
  return text;
}

/** Hop-by-hop fields that somebody above put into the map would break the framing: they are taken out. */
export function isFramingField(name: string): boolean {
  return (
    name === 'transfer-encoding' ||
    name === 'connection' ||
    name === 'upgrade' ||
    name === 'keep-alive' ||
    name === 'proxy-connection'
  );
}

/** Empty for a name that is not written. */
function fieldStart(name: string): string {
  if (!NAME.test(name) || isFramingField(name.toLowerCase())) return '';
  // Copied, so that it is one flat string and keeps no message alive.
  const start = Buffer.from(`\r\n${name}: `, 'latin1').toString('latin1');
  if (safeNames.size < MOST_SAFE_NAMES) safeNames.set(name, start);
  return start;
}

/** A value as it may be written: latin1, without control bytes. */
export function safeFieldValue(value: string): string {
  if (!UNSAFE.test(value)) return value;
  // eslint-disable-next-line no-control-regex -- all that is one byte, controls too
  const latin1 = /[^\x00-\xff]/.test(value) ? Buffer.from(value, 'utf8').toString('latin1') : value;
  return latin1.replace(CONTROL, ' ');
}
