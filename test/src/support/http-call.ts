import { request } from 'node:http';

export interface HttpAnswer {
  /** 0: no answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface HttpCallOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** One request on a connection of its own. Never rejects: no answer is status 0 with the reason as body. */
export function httpCall(port: number, path: string, options: HttpCallOptions = {}): Promise<HttpAnswer> {
  return new Promise((resolve) => {
    const fail = (error: Error): void => resolve({ status: 0, headers: {}, body: error.message });
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: options.method ?? 'GET',
        headers: options.headers ?? {},
        agent: false,
        timeout: 15_000,
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (body += chunk));
        response.on('error', fail);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      },
    );
    sent.on('timeout', () => sent.destroy(new Error('no answer within 15 s')));
    sent.on('error', fail);
    sent.end(options.body);
  });
}
