import type { Terminal } from '../terminal.js';

/** What a command is given by the program that it is part of. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Errors: throws commander's, for what is no port. */
  readonly parsePort: (text: string) => number;
  /** Absolute, from where the person typed the command. */
  readonly resolvePath: (path: string) => string;
}
