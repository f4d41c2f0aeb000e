/** Longer words are not compared: a suggestion is a courtesy, and must stay cheap on hostile input. */
const LONGEST_WORD = 80;
/** Candidates beyond this many are not looked at. */
const MOST_CANDIDATES = 5_000;

/**
 * Finds the name that a misspelt word most likely meant: `did you mean "route"?`
 *
 * Shape: undefined where nothing is close enough, which is one edit in a word of up to five letters and one more for
 * every three letters beyond; letter case alone is never a distance. The first of equally close names wins.
 * Cost: word length × candidate length for each candidate; words and lists are bounded.
 */
export function closestName(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length === 0 || word.length > LONGEST_WORD) return undefined;
  const lowered = word.toLowerCase();
  const allowed = 1 + Math.max(0, Math.ceil((word.length - 5) / 3));
  let best: string | undefined;
  let bestDistance = allowed + 1;
  let seen = 0;
  for (const candidate of candidates) {
    if (++seen > MOST_CANDIDATES) break;
    if (candidate.length > LONGEST_WORD || Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(lowered, candidate.toLowerCase());
    // One letter may become any other letter, so a distance of the whole word says nothing.
    if (distance < bestDistance && distance < Math.max(word.length, candidate.length)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** How many letters must be inserted, removed, replaced or swapped with their neighbour to make one word the other. */
export function editDistance(from: string, to: string): number {
  const width = to.length + 1;
  let beforeLast = new Array<number>(width).fill(0);
  let last = Array.from({ length: width }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = new Array<number>(width).fill(0);
    current[0] = row;
    for (let column = 1; column < width; column++) {
      const same = from[row - 1] === to[column - 1];
      let cost = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) cost = Math.min(cost, at(beforeLast, column - 2) + 1);
      current[column] = cost;
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] as number;
}
