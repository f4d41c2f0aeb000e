/** Polls until `check` returns true; rejects with `describe()` after `timeoutMs`. For what other processes do. */
export async function eventually(
  check: () => Promise<boolean> | boolean,
  describe: () => string,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (await check()) return;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${describe()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
