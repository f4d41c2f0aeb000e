import { type Spread, spreadOf } from '../report/statistics.js';
import type { MicroCase } from './micro-case.js';

export interface MicroOptions {
  readonly warmUpMs: number;
  readonly sampleMs: number;
  readonly samples: number;
  /** Units: milliseconds, with a finer fraction. */
  readonly nowMs: () => number;
}

export const DEFAULT_MICRO_OPTIONS: MicroOptions = {
  warmUpMs: 300,
  sampleMs: 40,
  samples: 15,
  nowMs: () => performance.now(),
};

/** Keeps the results of batches reachable, so that computing them cannot be skipped. */
export const microSink: { value: unknown } = { value: undefined };

/**
 * Times one case: warms it up, finds how many operations fill a sample, then takes the samples.
 *
 * Units: nanoseconds per operation.
 */
export function measureCase(microCase: MicroCase, options: MicroOptions = DEFAULT_MICRO_OPTIONS): Spread {
  const batch = microCase.create();
  let count = 1;
  let elapsedMs = 0;
  const warmAtMs = options.nowMs() + options.warmUpMs;
  for (;;) {
    elapsedMs = timeBatch(batch, count, options);
    if (elapsedMs < options.sampleMs / 4) count *= 2;
    else if (options.nowMs() >= warmAtMs) break;
  }
  count = Math.max(1, Math.round((count * options.sampleMs) / elapsedMs));
  const samplesNs: number[] = [];
  for (let sample = 0; sample < options.samples; sample++) {
    samplesNs.push((timeBatch(batch, count, options) * 1_000_000) / count);
  }
  return spreadOf(samplesNs);
}

function timeBatch(batch: (count: number) => unknown, count: number, options: MicroOptions): number {
  const startMs = options.nowMs();
  microSink.value = batch(count);
  return options.nowMs() - startMs;
}
