import { Agent, request } from 'node:http';

/** One answer of the sample application and of what it called, as the services themselves tell it. */
export interface ServedCall {
  readonly service: string;
  readonly version: string;
  readonly instance: string;
  readonly path?: string;
  /** How it answered its caller. */
  readonly status?: number;
  readonly calls: readonly ServedCall[];
}

export interface ShopAnswer {
  /** 0: no answer at all; `failure` says why. */
  readonly status: number;
  readonly served: ServedCall | undefined;
  readonly failure: string | undefined;
}

/** Calls the sample application through the gateway, as any client outside the mesh would. */
export class ShopClient {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });

  constructor(gatewayPort: number) {
    this.#port = gatewayPort;
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<ShopAnswer> {
    return this.#ask('GET', path, headers);
  }

  /** Without a body. */
  post(path: string, headers: Readonly<Record<string, string>>): Promise<ShopAnswer> {
    return this.#ask('POST', path, headers);
  }

  #ask(method: string, path: string, headers: Readonly<Record<string, string>>): Promise<ShopAnswer> {
    return new Promise((resolve) => {
      const sent = request(
        { host: '127.0.0.1', port: this.#port, method, path, headers, agent: this.#agent, timeout: 10_000 },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (body += chunk));
          response.on('error', (error) => resolve({ status: 0, served: undefined, failure: error.message }));
          response.on('end', () => resolve(answerOf(response.statusCode ?? 0, body)));
        },
      );
      sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')));
      sent.on('error', (error) => resolve({ status: 0, served: undefined, failure: error.message }));
      sent.end();
    });
  }

  /** `count` calls, eight at a time. */
  async sample(
    count: number,
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ShopAnswer[]> {
    const answers: ShopAnswer[] = [];
    let left = count;
    const caller = async (): Promise<void> => {
      while (left-- > 0) answers.push(await this.get(path, headers));
    };
    await Promise.all(Array.from({ length: 8 }, caller));
    return answers;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** How many of the answers were served by each version of `service`. */
export function versionsOf(answers: readonly ShopAnswer[], service: string): Record<string, number> {
  const counts: Record<string, number> = {};
  const visit = (call: ServedCall): void => {
    if (call.service === service) counts[call.version] = (counts[call.version] ?? 0) + 1;
    for (const inner of call.calls) visit(inner);
  };
  for (const { served } of answers) if (served !== undefined) visit(served);
  return counts;
}

function answerOf(status: number, body: string): ShopAnswer {
  let served: ServedCall | undefined;
  try {
    const parsed = JSON.parse(body) as Partial<ServedCall>;
    if (parsed.service !== undefined && parsed.calls !== undefined) served = parsed as ServedCall;
  } catch {
    // A reply of a proxy is plain text.
  }
  return { status, served, failure: status === 200 ? undefined : `${status} ${body.slice(0, 200)}` };
}
