/** Where output goes: colour only on a terminal, errors to standard error. */
export interface TerminalOptions {
  readonly out: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean };
  /** NO_COLOR is set (https://no-color.org). */
  readonly noColor: boolean;
}

const WIDTH = 80;
const RESULT_WIDTH = 120;
const BAR_WIDTH = 40;

/** Writes for people. */
export class Terminal {
  readonly #options: TerminalOptions;
  readonly #color: boolean;

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.#color = options.out.isTTY === true && !options.noColor;
  }

  get color(): boolean {
    return this.#color;
  }

  say(text: string): void {
    this.#options.out.write(`${text}\n`);
  }

  heading(text: string): void {
    this.say(`\n${this.#paint('1', text)}`);
  }

  /** Progress and side remarks. */
  note(text: string): void {
    this.say(this.#paint('2', `  ${text}`));
  }

  figure(text: string): void {
    const [first = '', ...rest] = wrapped(text, WIDTH - 4);
    this.say(`  ${this.#paint('36', '→')} ${first}`);
    for (const line of rest) this.say(`    ${line}`);
  }

  /** Counts as bars, each with its share of all. */
  bars(title: string, counts: Readonly<Record<string, number>>): void {
    this.figure(title);
    const entries = Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
    const total = entries.reduce((sum, [, count]) => sum + count, 0);
    const cells = entries.map(([name, count]) => {
      const share = total === 0 ? 0 : count / total;
      const length = count === 0 ? 0 : Math.max(1, Math.round(share * BAR_WIDTH));
      return [name, String(count), '█'.repeat(length), `${Math.round(share * 100)} %`] as const;
    });
    const nameWidth = Math.max(0, ...cells.map(([name]) => name.length));
    const countWidth = Math.max(0, ...cells.map(([, count]) => count.length));
    for (const [name, count, bar, share] of cells) {
      const label = `${name.padEnd(nameWidth)}  ${count.padStart(countWidth)}`;
      this.say(`      ${label}  ${this.#paint('36', bar)} ${share}`);
    }
  }

  /** Lines of a file, with its name. */
  code(name: string, lines: readonly string[]): void {
    this.say(`  ${this.#paint('2', name)}`);
    for (const line of lines) this.say(`  ${this.#paint('2', '│')} ${this.#paint('33', line)}`);
  }

  /** One line for one check with its figures, continued below when it is long; what failed follows. */
  result(holds: boolean, title: string, figures: readonly string[], failures: readonly string[] = []): void {
    const [first = '', ...rest] = wrapped(`${title}: ${figures.join('; ')}`, RESULT_WIDTH - 7);
    this.say(`${holds ? this.#paint('32', 'ok    ') : this.#paint('31', 'FAILED')} ${first}`);
    for (const line of rest) this.say(`         ${line}`);
    for (const failure of failures) this.say(`         ${failure}`);
  }

  /** For other programs: as it is, without a line break of its own. */
  raw(text: string): void {
    this.#options.out.write(text);
  }

  /** For people, beside what other programs read from standard output. */
  remark(text: string): void {
    this.#options.err.write(`${text}\n`);
  }

  error(text: string): void {
    const color = this.#options.err.isTTY === true && !this.#options.noColor;
    this.#options.err.write(`${color ? '\x1b[31mheddle:\x1b[0m' : 'heddle:'} ${text}\n`);
  }

  #paint(code: string, text: string): string {
    return this.#color ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

/** Rows as lines, each column as wide as its widest cell. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd((widths[i] ?? 0) + 2))
      .join('')
      .trimEnd(),
  );
}

/** Breaks a text between words; a word that is longer than a line stays whole. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
