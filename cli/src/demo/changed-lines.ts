/** Lines around a change that are shown with it. */
const CONTEXT = 2;

/**
 * What of a file's new text differs from the old, with a little around it; `…` stands for what is left out. All of it
 * when there was no old text.
 */
export function changedLines(before: string | undefined, after: string): readonly string[] {
  const lines = after.trimEnd().split('\n');
  if (before === undefined) return lines;
  const old = before.trimEnd().split('\n');
  let start = 0;
  while (start < lines.length && start < old.length && lines[start] === old[start]) start++;
  let end = 0;
  const most = Math.min(lines.length, old.length) - start;
  while (end < most && lines.at(-1 - end) === old.at(-1 - end)) end++;
  const from = Math.max(0, start - CONTEXT);
  const to = Math.min(lines.length, lines.length - end + CONTEXT);
  return [...(from > 0 ? ['…'] : []), ...lines.slice(from, to), ...(to < lines.length ? ['…'] : [])];
}
