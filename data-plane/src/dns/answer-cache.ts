import type { Clock } from '@heddle/common';
import { answerLife, type DnsQuery } from './message.js';

interface KeptAnswer {
  readonly bytes: Buffer;
  readonly ttlOffsets: readonly number[];
  readonly keptAtMs: number;
  readonly untilMs: number;
}

/** No answer is kept longer, whatever it says. */
const MOST_TTL_S = 300;
const MOST_ANSWER_BYTES = 4096;

/** Answers of name servers, as long as they hold; the one that was used longest ago makes room for another. */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #onEviction: () => void;
  readonly #answers = new Map<string, KeptAnswer>();

  /** `onEviction`: an answer that held still made room. */
  constructor(clock: Clock, most: number, onEviction: () => void) {
    this.#clock = clock;
    this.#most = most;
    this.#onEviction = onEviction;
  }

  get size(): number {
    return this.#answers.size;
  }

  /** The answer to a question that was asked before in the very same way, with what is left of its time. */
  get(request: Buffer, query: DnsQuery): Buffer | undefined {
    const key = keyOf(request);
    const kept = this.#answers.get(key);
    if (kept === undefined) return undefined;
    this.#answers.delete(key);
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= kept.untilMs) return undefined;
    this.#answers.set(key, kept);
    const answer = Buffer.from(kept.bytes);
    answer.writeUInt16BE(query.id, 0);
    const ageS = Math.floor((nowMs - kept.keptAtMs) / 1000);
    for (const at of kept.ttlOffsets) answer.writeUInt32BE(Math.max(0, answer.readUInt32BE(at) - ageS), at);
    return answer;
  }

  put(request: Buffer, query: DnsQuery, answer: Buffer): void {
    if (answer.length > MOST_ANSWER_BYTES) return;
    const life = answerLife(answer, query);
    if (life === undefined || life.ttlS === 0) return;
    const key = keyOf(request);
    this.#answers.delete(key);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size >= this.#most && oldest !== undefined) {
      this.#answers.delete(oldest);
      this.#onEviction();
    }
    const keptAtMs = this.#clock.monotonicMs();
    this.#answers.set(key, {
      bytes: Buffer.from(answer),
      ttlOffsets: life.ttlOffsets,
      keptAtMs,
      untilMs: keptAtMs + Math.min(life.ttlS, MOST_TTL_S) * 1000,
    });
  }
}

/** Everything but the id: what else is asked for, such as signatures, changes the answer. */
function keyOf(request: Buffer): string {
  return request.toString('latin1', 2);
}
