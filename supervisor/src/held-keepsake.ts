import type { Clock } from '@heddle/common';
import type { Inheritance } from './keepsake.js';
import type { Channel } from './supervisor-link.js';

/** A supervisor of an older version, which is exchanged last, keeps nothing and does not answer. */
const ANSWER_WITHIN_MS = 1_000;

/** The child's side of a `Keepsake`: what it leaves to the process that comes after it, and what the one before it left. */
export class HeldKeepsake {
  readonly #channel: Channel;
  readonly #waiting: ((text: string | undefined) => void)[] = [];

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.on('message', (message) => {
      const answer = message as Inheritance;
      if (answer.heddle === 'inheritance') this.#answer(answer.text);
    });
    channel.on('disconnect', () => this.#answer(undefined));
  }

  /** Leaves this text, instead of what was left before. `untilMs`: when it is worth nothing any more, by the wall clock. */
  keep(text: string, untilMs: number): void {
    if (this.#channel.connected) this.#channel.send({ heddle: 'keep', text, untilMs });
  }

  /** What the process before this one left; undefined where it left nothing, or nobody keeps anything. */
  inherit(clock: Clock): Promise<string | undefined> {
    if (!this.#channel.connected) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const timer = clock.setTimer(ANSWER_WITHIN_MS, () => resolve(undefined));
      this.#waiting.push((text) => {
        timer.cancel();
        resolve(text);
      });
      this.#channel.send({ heddle: 'inherit' });
    });
  }

  #answer(text: string | undefined): void {
    for (const resolve of this.#waiting.splice(0)) resolve(text);
  }
}
