/** Edits (insertions, deletions, replacements, swaps of neighbours) between two words, or `limit + 1` when there are more. */
function distance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) > limit) return limit + 1;
  let twoBack: number[] = [];
  let back = Array.from({ length: right.length + 1 }, (_value, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let best = Math.min(
        (back[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (back[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1])
        best = Math.min(best, (twoBack[column - 2] ?? 0) + 1);
      current.push(best);
    }
    twoBack = back;
    back = current;
  }
  return back[right.length] ?? limit + 1;
}

const longestCompared = 128;

/**
 * The known name that a misspelt one was probably meant to be, undefined when none is near.
 *
 * Cost: one small table per candidate; words longer than 128 characters are not compared.
 */
export function suggestionFor(word: string, known: Iterable<string>): string | undefined {
  if (word.length > longestCompared) return undefined;
  const plain = word.toLowerCase().replaceAll('-', '_');
  const limit = Math.max(1, Math.floor(plain.length / 4));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    const edits = distance(plain, candidate.toLowerCase(), limit);
    if (edits < bestDistance) [best, bestDistance] = [candidate, edits];
  }
  return best;
}
