/** What one drill found. */
export interface DrillOutcome {
  readonly requests: number;
  /** How many failed, by the reason that the caller saw. */
  readonly failures: ReadonlyMap<string, number>;
  /** What else is worth a word: each is printed. */
  readonly figures: readonly string[];
  /** What should not be, beside failed requests. */
  readonly problems: readonly string[];
}

/** One fault, and what callers were promised while it lasts. */
export interface Drill {
  readonly name: string;
  /** How many requests may fail, and why HTTP allows no better; left out: none. */
  readonly allows?: { readonly atMost: number; readonly because: string };
  /** Only where a word of its name is given: it wants a whole machine. */
  readonly onlyWhenNamed?: boolean;
  /** Rejects when the drill itself could not be done. */
  readonly run: () => Promise<DrillOutcome>;
}

/** Drills that share something that takes long to start. */
export interface DrillGround {
  readonly name: string;
  readonly drills: readonly Drill[];
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** Why they cannot be done here. */
  readonly missing?: string | undefined;
}

export interface DrillReport {
  readonly drill: string;
  readonly ok: boolean;
  readonly requests: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly allowed: number;
  readonly because: string;
  readonly figures: readonly string[];
  readonly problems: readonly string[];
  readonly seconds: number;
}

/** Does one drill; whatever it throws is a problem of it. */
export async function runDrill(drill: Drill): Promise<DrillReport> {
  const startedMs = performance.now();
  let outcome: DrillOutcome;
  try {
    outcome = await drill.run();
  } catch (thrown) {
    const problems = [thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)];
    outcome = { requests: 0, failures: new Map(), figures: [], problems };
  }
  const failed = [...outcome.failures.values()].reduce((sum, count) => sum + count, 0);
  const allowed = drill.allows?.atMost ?? 0;
  return {
    drill: drill.name,
    ok: failed <= allowed && outcome.problems.length === 0,
    requests: outcome.requests,
    failed,
    failures: Object.fromEntries(outcome.failures),
    allowed,
    because: drill.allows?.because ?? '',
    figures: outcome.figures,
    problems: outcome.problems,
    seconds: (performance.now() - startedMs) / 1000,
  };
}

/** One line, and one more for each problem. */
export function describeReport(report: DrillReport): string {
  const { drill, ok, requests, failed, failures, allowed, because, figures, problems, seconds } = report;
  const reasons = Object.entries(failures).map(([reason, count]) => `${count} × ${reason}`);
  const why = failed > 0 && failed <= allowed ? `, which no proxy can help: ${because}` : '';
  const told = [
    `${requests} requests, ${failed} failed${reasons.length === 0 ? '' : ` (${reasons.join(', ')})`}${why}`,
    ...figures,
  ];
  const lines = [`${ok ? 'ok    ' : 'FAILED'} ${drill}: ${told.join('; ')} [${seconds.toFixed(1)} s]`];
  if (failed > allowed) lines.push(`       ${allowed} may fail`);
  lines.push(...problems.map((problem) => `       ${problem.replaceAll('\n', '\n       ')}`));
  return lines.join('\n');
}
