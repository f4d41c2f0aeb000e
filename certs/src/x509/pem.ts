import { EncodingError } from '../errors.js';

export type PemLabel = 'CERTIFICATE' | 'CERTIFICATE REQUEST';

export interface PemBounds {
  /** Default 16. */
  readonly maxBlocks?: number;
  /** Default 64 KiB. */
  readonly maxBytes?: number;
}

/** The form that readers expect: lines of 64 characters, a newline at the end. Source: RFC 7468 section 2. */
export function formatPem(label: PemLabel, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/**
 * The DER of every block of a PEM text.
 *
 * Shape: at least one block, all with this label; only white space may stand around them.
 * Errors: EncodingError.
 */
export function parsePem(text: string, label: PemLabel, bounds: PemBounds = {}): readonly Buffer[] {
  const { maxBlocks = 16, maxBytes = 64 * 1024 } = bounds;
  if (text.length > maxBytes) throw new EncodingError(`a PEM text is longer than ${maxBytes} bytes`);
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Buffer[] = [];
  let position = 0;
  for (;;) {
    const start = text.indexOf(begin, position);
    if (text.slice(position, start < 0 ? undefined : start).trim() !== '') {
      throw new EncodingError(`something other than PEM blocks of the label ${label} is in the text`);
    }
    if (start < 0) break;
    const stop = text.indexOf(end, start);
    if (stop < 0) throw new EncodingError(`a PEM block ${label} does not end`);
    if (blocks.length === maxBlocks) throw new EncodingError(`more than ${maxBlocks} PEM blocks`);
    blocks.push(decode(text.slice(start + begin.length, stop), label));
    position = stop + end.length;
  }
  if (blocks.length === 0) throw new EncodingError(`no PEM block ${label} is in the text`);
  return blocks;
}

function decode(body: string, label: PemLabel): Buffer {
  const base64 = body.replace(/[ \t\r\n]+/g, '');
  const bytes = Buffer.from(base64, 'base64');
  // Buffer skips what is not base64; only text that comes out the same again was base64.
  if (bytes.length === 0 || bytes.toString('base64') !== base64) {
    throw new EncodingError(`a PEM block ${label} is not base64`);
  }
  return bytes;
}
