// Everything that JSON requires to be escaped, and what a terminal or a line-based reader might take for a control.
// eslint-disable-next-line no-control-regex
const NEEDS_ESCAPE = /[\u0000-\u001f"\\\u007f-\u009f\u2028\u2029\ud800-\udfff]/;
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u007f-\u009f\u2028\u2029]/g;

/**
 * A string as a JSON value, quotes included. No input can end the string or the line early.
 *
 * Cost: one scan when nothing needs escaping, which is nearly always.
 */
export function jsonText(value: string): string {
  if (!NEEDS_ESCAPE.test(value)) return `"${value}"`;
  return JSON.stringify(value).replace(
    CONTROLS,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
