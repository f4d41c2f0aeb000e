const MS_OF_UNIT: Readonly<Record<string, number>> = Object.freeze({
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000001,
});
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
/** What eight digits hold. */
const MOST = 99_999_999;

/** The deadline of a call as its `grpc-timeout` says; undefined: it says none. A part of a ms counts as a whole one. */
export function parseGrpcTimeout(text: string | undefined): number | undefined {
  const match = text === undefined ? null : TIMEOUT.exec(text);
  if (match === null) return undefined;
  return Math.ceil(Number(match[1]) * (MS_OF_UNIT[match[2] as string] as number));
}

/** Source: gRPC over HTTP/2, `Timeout`; in ms as long as eight digits do. */
export function formatGrpcTimeout(ms: number): string {
  for (const [unit, size] of [
    ['m', 1],
    ['S', 1000],
    ['M', 60_000],
  ] as const) {
    const value = Math.ceil(ms / size);
    if (value <= MOST) return `${value}${unit}`;
  }
  return `${Math.min(MOST, Math.ceil(ms / 3_600_000))}H`;
}
