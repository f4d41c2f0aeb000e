import type { Clock, Timer } from '@heddle/common';
import type { ShopClient } from './shop-client.js';

/** What the steady load has seen. */
export interface LoadFigures {
  readonly requests: number;
  readonly failed: number;
  /** The first few failures, for the report. */
  readonly failures: readonly string[];
}

const MAX_FAILURES_KEPT = 5;
const MAX_IN_FLIGHT = 64;

/** Calls the shop at a steady rate, whatever the story does meanwhile, and counts what fails. */
export class SteadyLoad {
  readonly #client: ShopClient;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #failures: string[] = [];
  #timer: Timer | undefined;
  #requests = 0;
  #failed = 0;
  #inFlight = 0;
  #idle: (() => void) | undefined;

  constructor(client: ShopClient, clock: Clock, requestsPerSecond: number) {
    this.#client = client;
    this.#clock = clock;
    this.#intervalMs = 1000 / requestsPerSecond;
  }

  start(): void {
    this.#timer = this.#clock.setTimer(this.#intervalMs, () => {
      this.start();
      void this.#call();
    });
  }

  /** Resolves when the last answer came. */
  async stop(): Promise<LoadFigures> {
    this.#timer?.cancel();
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    return this.figures;
  }

  get figures(): LoadFigures {
    return { requests: this.#requests, failed: this.#failed, failures: this.#failures };
  }

  async #call(): Promise<void> {
    if (this.#inFlight >= MAX_IN_FLIGHT) return;
    this.#inFlight++;
    this.#requests++;
    const { status, failure } = await this.#client.get('/products/7');
    this.#inFlight--;
    if (status !== 200) {
      this.#failed++;
      if (this.#failures.length < MAX_FAILURES_KEPT) this.#failures.push(failure ?? `status ${status}`);
    }
    if (this.#inFlight === 0) this.#idle?.();
  }
}
