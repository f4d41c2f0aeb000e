/**
 * A regular expression that is nothing but literal text and gaps between it, matched without a regex engine: `.*`, `.+`, and
 * as the first gap also `[^/]+`. Most of what Istio and heddled write for names is that.
 */
export class Glob {
  /** Literal text before, between and behind the gaps. */
  readonly #pieces: readonly string[];
  /** The least length of the gap behind each piece but the last. */
  readonly #gaps: readonly number[];
  readonly #leastLength: number;
  /** Whether the first gap may hold no slash. */
  readonly #startsWithSegment: boolean;

  private constructor(pieces: readonly string[], gaps: readonly number[], startsWithSegment: boolean) {
    this.#pieces = pieces;
    this.#gaps = gaps;
    this.#startsWithSegment = startsWithSegment;
    const text = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#leastLength = gaps.reduce((sum, gap) => sum + gap, text);
  }

  /** undefined when the expression (of RE2) is something else. */
  static parse(source: string): Glob | undefined {
    const pieces = [''];
    const gaps: number[] = [];
    let startsWithSegment = false;
    for (let i = 0; i < source.length; i++) {
      const character = source[i] as string;
      const next = source[i + 1] ?? '';
      if (character === '[') {
        if (gaps.length > 0 || !source.startsWith(SEGMENT, i)) return undefined;
        startsWithSegment = true;
        gaps.push(1);
        pieces.push('');
        i += SEGMENT.length - 1;
      } else if (character === '.') {
        if (next !== '*' && next !== '+') return undefined;
        const least = next === '+' ? 1 : 0;
        // Gaps without text between them are one.
        if (startsWithSegment && gaps.length === 1 && pieces.at(-1) === '') return undefined;
        if (gaps.length > 0 && pieces.at(-1) === '') (gaps[gaps.length - 1] as number) += least;
        else {
          gaps.push(least);
          pieces.push('');
        }
        i++;
      } else if (character === '\\') {
        if (!PUNCTUATION.test(next)) return undefined;
        pieces[pieces.length - 1] += next;
        i++;
      } else {
        if (!LITERAL.test(character)) return undefined;
        pieces[pieces.length - 1] += character;
      }
      // What follows a literal must not repeat it.
      if (/[*+?{]/.test(source[i + 1] ?? '')) return undefined;
    }
    return new Glob(pieces, gaps, startsWithSegment);
  }

  /** Whether the whole of `text` matches. `text` must have no line feed, which `.` does not match. */
  matches(text: string): boolean {
    const pieces = this.#pieces;
    const last = pieces.length - 1;
    const first = pieces[0] as string;
    if (last === 0) return text === first;
    if (text.length < this.#leastLength) return false;
    const end = pieces[last] as string;
    if (!text.startsWith(first) || !text.endsWith(end)) return false;
    let at = first.length;
    if (this.#startsWithSegment) {
      // Wherever the next piece begins, the segment before it ends at its first slash at the latest.
      const slash = text.indexOf('/', at);
      const segmentEnd = slash === -1 ? text.length : slash;
      const next = last === 1 ? text.length - end.length : text.indexOf(pieces[1] as string, at + 1);
      if (next === -1 || next > segmentEnd) return false;
    }
    // The leftmost place of each piece leaves the most room for the rest.
    for (let i = 1; i < last; i++) {
      const piece = pieces[i] as string;
      const found = text.indexOf(piece, at + (this.#gaps[i - 1] as number));
      if (found === -1) return false;
      at = found + piece.length;
    }
    return at + (this.#gaps[last - 1] as number) <= text.length - end.length;
  }
}

const SEGMENT = '[^/]+';
const LITERAL = /[A-Za-z0-9/:_@,=&;~% -]/;
const PUNCTUATION = /[!-/:-@[-`{-~]/;
