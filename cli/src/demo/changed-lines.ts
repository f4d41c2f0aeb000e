/** Lines around a change that are shown with it. */
const CONTEXT = 2;

/**
 * What of a file's new text differs from the old, with a little around it; `…` stands for what is left out. All of it
 * when there was no old text. A comment at the top is left out: the story says it.
 *
 * Cost: quadratic in the number of lines; for files of the story.
 */
export function changedLines(before: string | undefined, after: string): readonly string[] {
  const lines = linesOf(after);
  if (before === undefined) return lines;
  const kept = commonLines(linesOf(before), lines);
  const isShown = lines.map((_, i) => {
    for (let j = i - CONTEXT; j <= i + CONTEXT; j++)
      if (j >= 0 && j < lines.length && !kept.has(j)) return true;
    return false;
  });
  const shown: string[] = [];
  lines.forEach((line, i) => {
    if (isShown[i]) shown.push(line);
    else if (shown.at(-1) !== '…') shown.push('…');
  });
  return shown;
}

function linesOf(text: string): readonly string[] {
  return text
    .replace(/^(#.*\n)+/, '')
    .trimEnd()
    .split('\n');
}

/** Indexes of those lines of `after` that a longest common subsequence with `before` has. */
function commonLines(before: readonly string[], after: readonly string[]): ReadonlySet<number> {
  const width = after.length + 1;
  const lengths = new Array<number>((before.length + 1) * width).fill(0);
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      lengths[i * width + j] =
        before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const common = new Set<number>();
  for (let i = 0, j = 0; i < before.length && j < after.length;) {
    if (before[i] === after[j]) {
      common.add(j);
      i++;
      j++;
    } else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return common;
}
