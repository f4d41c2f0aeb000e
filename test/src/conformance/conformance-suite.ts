import type { Observation, RowContext } from './row-context.js';

/** One bootstrap file, and the requests that are answered alike by every proxy that it starts. */
export interface ConformanceSuite {
  /** `test/bootstraps/<file>.yaml`, whose `${PORT_…}`, `${LOG}` and `${FOLDER}` are filled in. */
  readonly file: string;
  /** Servers to be there: `b1` listens on `${PORT_B1}`. */
  readonly upstreams: readonly string[];
  /** In order: a row may build on those before it. */
  readonly rows: readonly ConformanceRow[];
}

/** One line of the table: what is done, and what is seen of it, which has to be the same with every proxy. */
export interface ConformanceRow {
  readonly title: string;
  /** JSON-like: compared with what was recorded from Envoy. */
  readonly observe: (context: RowContext) => Promise<Observation>;
}
