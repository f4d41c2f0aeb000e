import { request } from 'node:http';
import type { SourceProblem } from '@heddle/control-plane';

/** Whether every proxy has what it was sent, as heddled's API says. */
export interface Convergence {
  readonly revision: number;
  readonly converged: boolean;
  readonly proxies: number;
  readonly waiting: readonly { readonly id: string; readonly typeUrl: string; readonly state: string }[];
}

/** A connected proxy, as heddled's API says. */
export interface ReportedProxy {
  readonly id: string;
  readonly role: string;
  readonly namespace: string;
  readonly workload: string;
  readonly version: string;
  readonly protocol: string;
  readonly types: readonly {
    readonly typeUrl: string;
    readonly state: string;
    /** Why the proxy refused what it was sent last. */
    readonly nack?: string;
  }[];
}

/** Calls the HTTP API of heddled. */
export class HeddledClient {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** Errors: rejects when heddled does not answer, or not with 200. */
  get<T>(path: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port: this.#port, path, agent: false, timeout: 5_000 },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (body += chunk));
          response.on('error', reject);
          response.on('end', () => {
            if (response.statusCode !== 200)
              reject(new Error(`heddled answered ${response.statusCode}: ${body.trim()}`));
            else resolve(JSON.parse(body) as T);
          });
        },
      );
      sent.on('timeout', () => sent.destroy(new Error('heddled did not answer within 5 s')));
      sent.on('error', reject);
      sent.end();
    });
  }

  convergence(): Promise<Convergence> {
    return this.get('/api/v1/convergence');
  }

  /** Names of the instances that heddled knows as endpoints. */
  async instances(): Promise<ReadonlySet<string>> {
    const { resources } = await this.get<{
      resources: readonly { kind: string; namespace: string; name: string }[];
    }>('/api/v1/resources');
    const entries = resources.filter(({ kind }) => kind === 'WorkloadEntry');
    return new Set(entries.map(({ namespace, name }) => `${namespace}/${name}`));
  }

  /** Every mistake in the sources, without the text of its line. */
  async problems(): Promise<readonly SourceProblem[]> {
    return (await this.get<{ problems: readonly SourceProblem[] }>('/api/v1/problems')).problems;
  }

  async proxies(): Promise<readonly ReportedProxy[]> {
    return (await this.get<{ proxies: readonly ReportedProxy[] }>('/api/v1/proxies')).proxies;
  }
}
