/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP. A second one ends the process at once.
 * `dispose` takes the handlers away again.
 */
export function untilInterrupted(): { readonly interrupted: Promise<void>; dispose(): void } {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let wake: () => void = () => undefined;
  let seen = false;
  const interrupted = new Promise<void>((resolve) => (wake = resolve));
  const onSignal = (): void => {
    if (seen) process.exit(130);
    seen = true;
    wake();
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    interrupted,
    dispose: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
