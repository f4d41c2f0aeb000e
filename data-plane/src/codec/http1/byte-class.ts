export const TAB = 9;
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const COLON = 58;
export const SEMICOLON = 59;

/** Bit: may stand in a token (field name, method). Source: RFC 9110 section 5.6.2. */
export const TOKEN = 1;
/** Bit: may stand in a field value: visible, space, tab, obs-text. Source: RFC 9110 section 5.5. */
export const VALUE = 2;
/** Bit: may stand in a request target: visible US-ASCII alone. */
export const TARGET = 4;

/** What each byte may be part of, as a set of the bits above. */
export const BYTE_CLASS: Uint8Array = buildByteClass();

/** The value of a hexadecimal digit, or 255. */
export const HEX_VALUE: Uint8Array = buildHexValue();

function buildByteClass(): Uint8Array {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    if (byte === TAB || (byte >= SPACE && byte !== 0x7f)) table[byte] = VALUE;
    if (byte > SPACE && byte < 0x7f) table[byte] = VALUE | TARGET;
  }
  const tokens = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (let i = 0; i < tokens.length; i++) table[tokens.charCodeAt(i)] = VALUE | TARGET | TOKEN;
  return table;
}

function buildHexValue(): Uint8Array {
  const table = new Uint8Array(256).fill(255);
  for (let digit = 0; digit < 16; digit++) {
    const text = digit.toString(16);
    table[text.charCodeAt(0)] = digit;
    table[text.toUpperCase().charCodeAt(0)] = digit;
  }
  return table;
}
