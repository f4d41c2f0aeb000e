/**
 * Which lines of a text stand in a document that holds a Secret, and what of them may be shown to people.
 *
 * Looks at the text alone, so that it also holds for a document that cannot be parsed.
 */
export class SecretLines {
  readonly #ranges: (readonly [first: number, last: number])[] = [];

  constructor(source: string) {
    if (!looksSecret(source)) return;
    const lines = source.split('\n');
    const documents: { readonly first: number; readonly last: number; readonly text: string }[] = [];
    let first = 1;
    const close = (last: number): void => {
      documents.push({ first, last, text: lines.slice(first - 1, last).join('\n') });
      first = last + 1;
    };
    for (const [i, line] of lines.entries()) if (/^---(\s|$)/.test(line)) close(i);
    close(lines.length);
    const isAnySecret = documents.some(({ text }) => looksSecret(text));
    for (const { first: from, last, text } of documents) {
      // What is no resource of its own may have been cut off from a Secret.
      if (isAnySecret && (looksSecret(text) || !/\bkind\b/.test(text))) this.#ranges.push([from, last]);
    }
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

/** Several signs, so that one that is misspelt hides nothing less. A Gateway that refers to Secrets holds none. */
function looksSecret(text: string): boolean {
  if (/\bstringData\b|\btls\.key\b|PRIVATE KEY/.test(text)) return true;
  if (!/secret/i.test(text)) return false;
  return (
    /\bdata["']?\s*:/i.test(text) ||
    (/\bkind["']?\s*:\s*["']?Secret\b/.test(text) && !/certificateRefs/.test(text))
  );
}

const harmless = /^\s*(?:-\s+)?(?:apiVersion|kind|name|namespace|type|immutable):\s*[\w./-]*\s*$/;
const fieldName = /^\s*(?:-\s+)?["']?[\w./-]{1,253}["']?\s*:\s/;
