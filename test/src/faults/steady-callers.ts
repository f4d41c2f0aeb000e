import { Agent, request, type IncomingMessage } from 'node:http';
import { eventually } from '../support/eventually.js';
import type { DrillOutcome } from './drill.js';

export interface SteadyCallersOptions {
  readonly port: number;
  /** How many ask at the same time, each one thing after the other. */
  readonly callers: number;
  readonly path?: string;
  readonly method?: 'GET' | 'POST';
  /** Units: ms. Between two requests of one caller. Default 5. */
  readonly pauseMs?: number;
}

const NO_ANSWER_MS = 20_000;
const LONGEST_REASON = 160;

/** Callers that go on asking whatever happens, and count what failed by its reason. */
export class SteadyCallers {
  readonly #options: SteadyCallersOptions;
  readonly #agent: Agent;
  readonly #loops: readonly Promise<void>[];
  readonly failures = new Map<string, number>();
  requests = 0;
  #stopped = false;
  #ids = 0;

  constructor(options: SteadyCallersOptions) {
    this.#options = options;
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.callers });
    this.#loops = Array.from({ length: options.callers }, () => this.#run());
  }

  /** Resolves when so many further requests were answered, well or not. */
  async more(count: number): Promise<void> {
    const enough = this.requests + count;
    await eventually(
      () => this.requests >= enough,
      () => `only ${this.requests} of ${enough} requests were answered`,
      60_000,
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    const { pauseMs = 5 } = this.#options;
    while (!this.#stopped) {
      const failure = await this.#call();
      this.requests++;
      if (failure !== undefined) {
        const reason = failure.slice(0, LONGEST_REASON);
        this.failures.set(reason, (this.failures.get(reason) ?? 0) + 1);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  #call(): Promise<string | undefined> {
    const { port, path = '/', method = 'GET' } = this.#options;
    const id = `${process.pid}-${port}-${++this.#ids}`;
    return new Promise((resolve) => {
      const options = {
        ...{ host: '127.0.0.1', port, path, method, agent: this.#agent, timeout: NO_ANSWER_MS },
        headers: method === 'POST' ? { 'x-id': id, 'content-length': '2' } : {},
      };
      const sent = request(options, (response: IncomingMessage) => {
        const { statusCode = 0 } = response;
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          if (body.length < 1000) body += text;
        });
        response.once('error', (error) => resolve(`within the answer: ${error.message}`));
        response.once('end', () => resolve(statusCode === 200 ? undefined : `${statusCode} ${body.trim()}`));
      });
      sent.once('timeout', () => sent.destroy(new Error(`no answer within ${NO_ANSWER_MS} ms`)));
      sent.once('error', (error) =>
        resolve(`${error.message}${sent.reusedSocket ? ' on a kept connection' : ''}`),
      );
      sent.end(method === 'POST' ? 'hi' : undefined);
    });
  }
}

/** What several callers saw together. */
export function together(...all: readonly SteadyCallers[]): {
  readonly requests: number;
  readonly failures: ReadonlyMap<string, number>;
} {
  const failures = new Map<string, number>();
  for (const one of all) {
    for (const [reason, count] of one.failures) failures.set(reason, (failures.get(reason) ?? 0) + count);
  }
  return { requests: all.reduce((sum, { requests }) => sum + requests, 0), failures };
}

export const GOOD_CALLERS = 8;

/** Callers before, while and after something happens. */
export async function during(
  port: number,
  act: (callers: SteadyCallers) => Promise<readonly string[]>,
  path = '/',
): Promise<DrillOutcome> {
  const callers = new SteadyCallers({ port, path, callers: GOOD_CALLERS });
  let figures: readonly string[] = [];
  try {
    await callers.more(100);
    figures = await act(callers);
    await callers.more(100);
  } finally {
    await callers.stop();
  }
  return { requests: callers.requests, failures: callers.failures, figures, problems: [] };
}
