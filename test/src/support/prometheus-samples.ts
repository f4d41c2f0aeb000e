/** One line of a metric. */
export interface PrometheusSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(,|$)/y;

/**
 * Reads Prometheus's text format, and throws where a line, an order or a histogram is not as it must be.
 *
 * Source: the text-based exposition format, version 0.0.4.
 */
export function readPrometheusText(text: string): readonly PrometheusSample[] {
  if (!text.endsWith('\n')) throw new Error('the text does not end with a line feed');
  const samples: PrometheusSample[] = [];
  const types = new Map<string, string>();
  const seen = new Set<string>();
  let family = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      const [, kind = '', name = '', rest = ''] = comment;
      if (kind === 'HELP') continue;
      if (types.has(name)) throw new Error(`two types of ${name}`);
      if (!['counter', 'gauge', 'histogram'].includes(rest)) throw new Error(`unknown type in ${line}`);
      types.set(name, rest);
      family = name;
      continue;
    }
    const sample = readSample(line);
    const base =
      types.get(family) === 'histogram' ? sample.name.replace(/_(bucket|sum|count)$/, '') : sample.name;
    if (base !== family) throw new Error(`not below its type: ${line}`);
    const key = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (seen.has(key)) throw new Error(`twice: ${line}`);
    seen.add(key);
    samples.push(sample);
  }
  for (const [name, type] of types) if (type === 'histogram') checkHistogram(name, samples);
  return samples;
}

function readSample(line: string): PrometheusSample {
  const [, name = '', inner = '', number = ''] = SAMPLE.exec(line) ?? [];
  if (name === '' || !Number.isFinite(Number(number))) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < inner.length) {
    const label = LABEL.exec(inner);
    if (label === null) throw new Error(`bad labels: ${line}`);
    const [, key = '', value = ''] = label;
    if (key in labels) throw new Error(`a label twice: ${line}`);
    labels[key] = value.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
  }
  return { name, labels, value: Number(number) };
}

/** Buckets grow with their bounds, and the last one holds everything. */
function checkHistogram(name: string, samples: readonly PrometheusSample[]): void {
  const series = new Map<string, { buckets: [number, number][]; count: number }>();
  for (const { name: own, labels, value } of samples) {
    if (own !== `${name}_bucket` && own !== `${name}_count`) continue;
    const { le, ...rest } = labels;
    const key = JSON.stringify(Object.entries(rest).sort());
    const found = series.get(key) ?? { buckets: [], count: NaN };
    series.set(key, found);
    if (own === `${name}_count`) found.count = value;
    else found.buckets.push([le === '+Inf' ? Infinity : Number(le), value]);
  }
  for (const [key, { buckets, count }] of series) {
    const grows = buckets.every(
      ([bound, value], i) =>
        i === 0 || (bound > (buckets[i - 1]?.[0] ?? 0) && value >= (buckets[i - 1]?.[1] ?? 0)),
    );
    const last = buckets.at(-1);
    if (!grows || last?.[0] !== Infinity || last[1] !== count)
      throw new Error(`bad histogram ${name} ${key}`);
  }
}
