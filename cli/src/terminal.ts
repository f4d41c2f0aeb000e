/** Where output goes: colour only on a terminal, errors to standard error. */
export interface TerminalOptions {
  readonly out: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean };
  /** NO_COLOR is set (https://no-color.org). */
  readonly noColor: boolean;
}

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
    this.say(`  ${this.#paint('36', '→')} ${text}`);
  }

  /** A file's text, with its name. */
  code(name: string, text: string): void {
    this.say(`  ${this.#paint('2', name)}`);
    for (const line of text.trimEnd().split('\n'))
      this.say(`  ${this.#paint('2', '│')} ${this.#paint('33', line)}`);
  }

  /** One line for one check; what failed follows indented. */
  result(holds: boolean, text: string, failures: readonly string[] = []): void {
    this.say(`${holds ? this.#paint('32', 'ok    ') : this.#paint('31', 'FAILED')} ${text}`);
    for (const failure of failures) this.say(`         ${failure}`);
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
