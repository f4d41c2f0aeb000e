/**
 * Earliest-deadline-first: picks items in proportion to their weights, as evenly spread as the weights allow.
 *
 * Source: the scheduler behind Envoy's weighted round robin and weighted least request.
 * Shape: a binary heap of item numbers ordered by deadline, then by the order of insertion.
 * Cost: a pick is O(log n) and allocates nothing.
 */
export class EdfScheduler {
  readonly #deadlines: Float64Array;
  readonly #order: Float64Array;
  readonly #heap: Int32Array;
  #sequence = 0;

  /** `weights` are positive; `random` spreads the first deadlines so that many proxies do not start in step. */
  constructor(weights: readonly number[], random: () => number) {
    const count = weights.length;
    this.#deadlines = new Float64Array(count);
    this.#order = new Float64Array(count);
    this.#heap = new Int32Array(count);
    for (let item = 0; item < count; item++) {
      this.#deadlines[item] = random() / (weights[item] as number);
      this.#order[item] = this.#sequence++;
      this.#heap[item] = item;
    }
    for (let at = (count >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  get size(): number {
    return this.#heap.length;
  }

  /** The item with the earliest deadline. */
  peek(): number {
    return this.#heap[0] as number;
  }

  /** Gives the item at the front its next deadline, `1 / weight` later. */
  reschedule(weight: number): void {
    const item = this.peek();
    this.#deadlines[item] = (this.#deadlines[item] as number) + 1 / weight;
    this.#order[item] = this.#sequence++;
    this.#sink(0);
  }

  #before(a: number, b: number): boolean {
    const first = this.#deadlines[a] as number;
    const second = this.#deadlines[b] as number;
    return first < second || (first === second && (this.#order[a] as number) < (this.#order[b] as number));
  }

  #sink(at: number): void {
    const heap = this.#heap;
    const item = heap[at] as number;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1] as number, heap[child] as number)) child++;
      if (!this.#before(heap[child] as number, item)) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = item;
  }
}
