/** By character code below 256: whether JSON asks for an escape, or a terminal might take it for a control. */
const UNSAFE = new Uint8Array(256);
UNSAFE.fill(1, 0, 0x20);
UNSAFE.fill(1, 0x7f, 0xa0);
UNSAFE[0x22] = 1;
UNSAFE[0x5c] = 1;

/** Above 255, the line separators and surrogates are left to the slow path. */
function needsEscape(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 256 ? UNSAFE[code] === 1 : code >= 0x2028) return true;
  }
  return false;
}

const CONTROLS = /[\u007f-\u009f\u2028\u2029]/g;

/**
 * A string as a JSON value, quotes included. No input can end the string or the line early.
 *
 * Cost: one scan when nothing needs escaping, which is nearly always.
 */
export function jsonText(value: string): string {
  if (!needsEscape(value)) return `"${value}"`;
  return JSON.stringify(value).replace(
    CONTROLS,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
