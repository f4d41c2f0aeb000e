import type { Clock } from '@heddle/common';

/** A terminal and npm may both pass on the same Ctrl-C. */
const SAME_INTERRUPT_MS = 1_500;

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP. A later one means that somebody is out of patience: `abandon` must end
 * what still runs, and the process ends with 130. `dispose` takes the handlers away again.
 */
export function untilInterrupted(
  clock: Clock,
  abandon: () => void,
): { readonly interrupted: Promise<void>; dispose(): void } {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let wake: () => void = () => undefined;
  let firstAtMs: number | undefined;
  const interrupted = new Promise<void>((resolve) => (wake = resolve));
  const onSignal = (): void => {
    if (firstAtMs === undefined) {
      firstAtMs = clock.monotonicMs();
      wake();
    } else if (clock.monotonicMs() - firstAtMs > SAME_INTERRUPT_MS) {
      abandon();
      process.exit(130);
    }
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    interrupted,
    dispose: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
