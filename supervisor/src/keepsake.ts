import type { ChildProcess } from 'node:child_process';
import type { Clock, Timer } from '@heddle/common';

/**
 * What a child says, over the channel to its supervisor, of what it leaves to the one that comes after it.
 *
 * `keep` replaces what was kept before; `inherit` is answered with an `Inheritance`.
 */
export type KeepsakeMessage =
  | { readonly heddle: 'keep'; readonly text: string; readonly untilMs: number }
  | { readonly heddle: 'inherit' };

/** `text` is missing where nothing is kept. */
export interface Inheritance {
  readonly heddle: 'inheritance';
  readonly text?: string;
}

/** Units: characters. A key, its chain and a few roots are a hundredth of it. */
const LONGEST = 512 * 1024;

/**
 * One text that child processes leave to one another, in the memory of whoever outlives them and nowhere else.
 *
 * It is forgotten at the end of its time, and when the children are stopped. Who may write it is asked each time: one that
 * was replaced and only finishes something has no say any more. Decided in docs/adr/0011.
 */
export class Keepsake {
  readonly #clock: Clock;
  #kept: { readonly text: string; readonly untilMs: number; readonly timer: Timer } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** undefined where nothing is kept, or its time is over. */
  get text(): string | undefined {
    const kept = this.#kept;
    // The wall clock may have jumped.
    return kept === undefined || this.#clock.nowMs() >= kept.untilMs ? undefined : kept.text;
  }

  /** Answers what this child asks until it ends, and keeps what it leaves while it `mayKeep`. */
  serve(child: ChildProcess, mayKeep: () => boolean): void {
    child.on('message', (message: unknown) => {
      const said = message as KeepsakeMessage;
      if (said.heddle === 'keep') {
        if (mayKeep()) this.#keep(said.text, said.untilMs);
      } else if (said.heddle === 'inherit' && child.connected) {
        const { text } = this;
        const answer: Inheritance = { heddle: 'inheritance', ...(text === undefined ? {} : { text }) };
        // One that ended meanwhile needs nothing.
        child.send(answer, () => undefined);
      }
    });
  }

  forget(): void {
    this.#kept?.timer.cancel();
    this.#kept = undefined;
  }

  #keep(text: string, untilMs: number): void {
    this.forget();
    const leftMs = untilMs - this.#clock.nowMs();
    if (text.length > LONGEST || !(leftMs > 0)) return;
    this.#kept = { text, untilMs, timer: this.#clock.setTimer(leftMs, () => this.forget()) };
  }
}
