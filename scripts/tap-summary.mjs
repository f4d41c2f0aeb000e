// Joins the TAP of many test files to one stream, and collects what one wants to see at its end.

/** Lines of what a failed test says that are shown once more at the end. */
const REASON_LINES = 12;
/** Files that took longest, named at the end: where to look when the whole takes too long. */
const SLOWEST = 5;

export class TapSummary {
  tests = 0;
  /** With the first lines of the reason. */
  #failed = [];
  #skipped = [];
  #files = [];

  /**
   * Takes in the result of a file, and gives the lines for the stream: a subtest that holds all that the file said.
   *
   * @param {import('./test-files.mjs').FileResult} result
   */
  add({ file, passed, output, reason, durationMs }) {
    this.#files.push({ file, durationMs });
    const failedBefore = this.#failed.length;
    this.#read(output);
    // A file that failed without a test of its that did has its own reason, or what it said last.
    if (!passed && (reason !== undefined || this.#failed.length === failedBefore))
      this.#failed.push({ title: file, reason: reason ?? lastLines(output) });
    const inner = output
      .split('\n')
      .filter((line) => line !== '' && line !== 'TAP version 13')
      .map((line) => `    ${line}\n`)
      .join('');
    const why = (reason ?? []).map((line) => `    # ${line}\n`).join('');
    const verdict = `${passed ? 'ok' : 'not ok'} ${this.#files.length} - ${file}\n`;
    return `# Subtest: ${file}\n${inner}${why}${verdict}  ---\n  duration_ms: ${durationMs.toFixed(1)}\n  ...\n`;
  }

  /** The end of the stream: the plan, the sum, and by name what took long, was skipped or failed. */
  end() {
    const slowest = this.#files.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, SLOWEST);
    const lines = [
      `1..${this.#files.length}`,
      '',
      `${this.tests} tests in ${this.#files.length} files`,
      ...slowest.map(({ file, durationMs }) => `slow: ${(durationMs / 1000).toFixed(1)} s ${file}`),
      ...this.#skipped.map((entry) => `skipped: ${entry}`),
      ...this.#failed.flatMap(({ title, reason }) => [
        `FAILED: ${title}`,
        ...reason.map((line) => `        ${line}`),
      ]),
    ];
    return `${lines.join('\n')}\n`;
  }

  #read(output) {
    let reason;
    for (const line of output.split('\n')) {
      const failed = /^\s*not ok \d+ - (?<title>.*?)(?<skipped> # (?:SKIP|TODO).*)?$/.exec(line);
      if (failed && !failed.groups.skipped) this.#failed.push({ title: failed.groups.title, reason: [] });
      const begun = /^\s*error: (?:\|-|'(?<text>.*)')$/.exec(line);
      if (begun) {
        reason = this.#failed.at(-1)?.reason;
        // A suite fails because of its tests: they say why.
        if (begun.groups.text && !/^\d+ subtests? failed$/.test(begun.groups.text))
          reason?.push(begun.groups.text);
      } else if (/^\s*(?:code|name|stack|expected|actual|\.\.\.)/.test(line)) reason = undefined;
      else if (reason && reason.length < REASON_LINES) reason.push(line.trim());
      const skipped = /^\s*ok \d+ - (?<title>.*?) # SKIP ?(?<reason>.*)$/.exec(line);
      if (skipped)
        this.#skipped.push(`${skipped.groups.title}: ${skipped.groups.reason || 'no reason given'}`);
      const total = /^# tests (?<count>\d+)$/.exec(line);
      if (total) this.tests += Number(total.groups.count);
    }
  }
}

function lastLines(output) {
  return output
    .trimEnd()
    .split('\n')
    .slice(-REASON_LINES)
    .map((line) => line.trim());
}
