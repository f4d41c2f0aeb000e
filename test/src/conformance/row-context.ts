import { createHash } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { Http1Message } from '../support/http1-reader.js';
import { rawExchange, type RawExchange, type RawExchangeOptions } from '../support/raw-exchange.js';
import type { RecordingUpstream } from '../support/recording-upstream.js';

/** What was seen: only what JSON can hold, so that it can be recorded. */
export type Observation =
  string | number | boolean | null | readonly Observation[] | { readonly [key: string]: Observation };

/** This machine's addresses, apart from loopback. */
const OWN_ADDRESSES = new Set(
  Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).filter(({ internal }) => !internal).map(({ address }) => address),
  ),
);

/** Longer bodies are recorded by length and hash. */
const LONGEST_SHOWN_BODY = 1500;

export interface RequestOptions extends RawExchangeOptions {
  readonly method?: string;
  readonly host?: string;
  /** In this order, after Host. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Sent with its length. */
  readonly body?: string | Buffer;
  /** Which listener, by the name of its port. Default HTTP. */
  readonly port?: string;
}

export interface RawOptions extends RawExchangeOptions {
  readonly port?: string;
}

/** What a row works with: the proxy's ports and the upstreams, and observations without what differs in each run. */
export class RowContext {
  readonly ports: ReadonlyMap<string, number>;
  readonly upstreams: ReadonlyMap<string, RecordingUpstream>;
  readonly logFile: string;
  readonly subjectName: 'heddle-proxy' | 'envoy';

  constructor(
    subjectName: 'heddle-proxy' | 'envoy',
    ports: ReadonlyMap<string, number>,
    upstreams: ReadonlyMap<string, RecordingUpstream>,
    logFile: string,
  ) {
    this.subjectName = subjectName;
    this.ports = ports;
    this.upstreams = upstreams;
    this.logFile = logFile;
  }

  port(name: string): number {
    const port = this.ports.get(name);
    if (port === undefined) throw new Error(`the bootstrap has no \${PORT_${name}}`);
    return port;
  }

  upstream(name: string): RecordingUpstream {
    const upstream = this.upstreams.get(name);
    if (upstream === undefined) throw new Error(`there is no upstream ${name}`);
    return upstream;
  }

  /** One well-formed request; what came back, and what the upstreams got of it. */
  async request(target: string, options: RequestOptions = {}): Promise<Observation> {
    const { exchange } = await this.exchange(target, options);
    return { ...this.answered(exchange), ...this.received() };
  }

  /** The same, for rows that look at the answer themselves. */
  async exchange(
    target: string,
    options: RequestOptions = {},
  ): Promise<{ exchange: RawExchange; status: number; body: string }> {
    const method = options.method ?? 'GET';
    const exchange = await rawExchange(this.port(options.port ?? 'HTTP'), requestBytes(target, options), {
      isHead: method === 'HEAD',
      ...options,
    });
    const last = exchange.answers.at(-1);
    return {
      exchange,
      status: Number(last?.startLine.split(' ')[1] ?? 0),
      body: last?.body.toString('latin1') ?? '',
    };
  }

  /**
   * These very bytes. A request of its own follows on another connection, so that whatever the first bytes made the
   * proxy send upstream has been sent when that is looked at.
   */
  async raw(bytes: string, options: RawOptions = {}): Promise<Observation> {
    const exchange = await rawExchange(
      this.port(options.port ?? 'HTTP'),
      Buffer.from(bytes, 'latin1'),
      options,
    );
    const marker = '/conformance-marker';
    await this.exchange(marker, { port: options.port ?? 'HTTP' });
    return { ...this.answered(exchange), ...this.received((line) => !line.includes(marker)) };
  }

  answered(exchange: RawExchange): { [key: string]: Observation } {
    const answers = exchange.answers.map((message) => this.#shown(message));
    return {
      answers,
      ...(exchange.closed ? { closed: true } : {}),
      ...(exchange.tunnel === '' ? {} : { tunnel: this.normalised(exchange.tunnel) }),
    };
  }

  /** What the upstreams got since the last time, by upstream. */
  received(wanted: (startLine: string) => boolean = () => true): { [key: string]: Observation } {
    const requests = [...this.upstreams.values()].flatMap((upstream) => {
      return upstream
        .takeRecorded()
        .filter(({ startLine }) => wanted(startLine))
        .map((message) => ({ to: upstream.name, ...this.#shown(message) }));
    });
    return requests.length === 0 ? {} : { received: requests };
  }

  /** Text without this run's ports, folder names and moments. */
  normalised(text: string): string {
    let out = text;
    for (const [name, port] of this.ports)
      out = out.replaceAll(new RegExp(`\\b${port}\\b`, 'g'), `<${name}>`);
    return out
      .replaceAll(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uuid>')
      .replaceAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>');
  }

  #shown(message: Http1Message): { [key: string]: Observation } {
    const fields: { [name: string]: Observation } = {};
    const sorted = [...message.fields]
      .map(([name, value]) => [name.toLowerCase(), value] as const)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    for (const [name, value] of sorted) {
      const shown = this.#shownValue(name, value);
      const earlier = fields[name];
      if (earlier === undefined) fields[name] = shown;
      else fields[name] = Array.isArray(earlier) ? [...(earlier as string[]), shown] : [earlier, shown];
    }
    const trailers = message.trailers.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
    return {
      line: this.normalised(message.startLine),
      fields,
      ...(message.body.length === 0 ? {} : { body: this.#shownBody(message.body) }),
      ...(trailers.length === 0 ? {} : { trailers }),
      ...(message.truncated ? { truncated: true } : {}),
    };
  }

  #shownValue(name: string, value: string): string {
    if (name === 'date') return Number.isNaN(Date.parse(value)) ? value : '<date>';
    if (name === 'x-envoy-upstream-service-time') return /^\d+$/.test(value) ? '<ms>' : value;
    // In place of loopback Envoy names an address of the machine: docs/differences.md#loopback-in-x-forwarded-for.
    if (name === 'x-forwarded-for' && OWN_ADDRESSES.has(value.split(',').at(-1) ?? '')) {
      return value.replace(/[^,]*$/, '127.0.0.1');
    }
    return this.normalised(value);
  }

  #shownBody(body: Buffer): string {
    if (body.length <= LONGEST_SHOWN_BODY) return this.normalised(body.toString('latin1'));
    return `${body.length} bytes, sha256 ${createHash('sha256').update(body).digest('hex').slice(0, 16)}`;
  }
}

function requestBytes(target: string, options: RequestOptions): Buffer {
  const lines = [`${options.method ?? 'GET'} ${target} HTTP/1.1`, `Host: ${options.host ?? 'example.com'}`];
  for (const [name, value] of options.headers ?? []) lines.push(`${name}: ${value}`);
  const body = Buffer.from(options.body ?? '');
  if (options.body !== undefined) lines.push(`Content-Length: ${body.length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}
