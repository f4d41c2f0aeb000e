/**
 * Which lines of a text stand in a document that holds a Secret, and what of them may be shown to people.
 *
 * Looks at the text alone, so that it also holds for a document that cannot be parsed.
 */
export class SecretLines {
  readonly #ranges: (readonly [first: number, last: number])[] = [];

  constructor(source: string) {
    if (!/Secret/.test(source)) return;
    const lines = source.split('\n');
    let first = 1;
    const close = (last: number): void => {
      if (kindSecret.test(lines.slice(first - 1, last).join('\n'))) this.#ranges.push([first, last]);
      first = last + 1;
    };
    for (const [i, line] of lines.entries()) if (/^---(\s|$)/.test(line)) close(i);
    close(lines.length);
  }

  /** A Secret was found where the text did not look like one: then nothing of it is shown. */
  hideAll(): void {
    this.#ranges.push([1, Infinity]);
  }

  holds(line: number): boolean {
    return this.#ranges.some(([first, last]) => line >= first && line <= last);
  }

  /** A line as it may be shown: what it is about, and not what it says. */
  shown(line: number, text: string): string {
    if (!this.holds(line) || harmless.test(text)) return text;
    const [name = /^\s*/.exec(text)?.[0] ?? ''] = fieldName.exec(text) ?? [];
    return `${name}…`;
  }
}

const kindSecret = /(^|[\s{,"'])kind["']?\s*:\s*["']?Secret\b/;
const harmless = /^\s*(?:-\s+)?(?:apiVersion|kind|name|namespace|type|immutable):\s*[\w./-]*\s*$/;
const fieldName = /^\s*(?:-\s+)?["']?[\w./-]{1,253}["']?\s*:\s/;
