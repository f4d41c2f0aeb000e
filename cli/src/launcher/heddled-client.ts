import { request } from 'node:http';
import type { SourceProblem } from '@heddle/control-plane';
import type { CanaryView } from '@heddle/control-plane/dashboard-api';
import type { ReportedAuthority, ReportedHolder } from './ca-reports.js';

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
  /** `host:port` of its admin pages; left out where heddled does not know it. */
  readonly admin?: string;
  readonly types: readonly {
    readonly typeUrl: string;
    readonly state: string;
    /** Why the proxy refused what it was sent last. */
    readonly nack?: string;
  }[];
}

/** A join token, as heddled's API gives it. */
export interface IssuedToken {
  readonly token: string;
  readonly id: string;
  readonly identity: string;
  /** ISO 8601. */
  readonly expires: string;
}

/** Calls the HTTP API of heddled. */
export class HeddledClient {
  readonly #port: number;
  readonly #token: string;

  /** Without the token, nothing can be changed. */
  constructor(port: number, token = '') {
    this.#port = port;
    this.#token = token;
  }

  /** Errors: rejects when heddled does not answer, or not with 200. */
  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.text('GET', path)) as T;
  }

  /** Errors: rejects when heddled does not answer, or not with 200. */
  text(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = this.#token === '' ? {} : { authorization: `Bearer ${this.#token}` };
      const sent = request(
        { host: '127.0.0.1', port: this.#port, method, path, headers, agent: false, timeout: 5_000 },
        (response) => {
          let answer = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (answer += chunk));
          response.on('error', reject);
          response.on('end', () => {
            if (response.statusCode !== 200) reject(new ApiError(response.statusCode ?? 0, answer));
            else resolve(answer);
          });
        },
      );
      sent.on('timeout', () => sent.destroy(new Error('heddled did not answer within 5 s')));
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** A join token for a service account. Errors: as `text`. */
  async issueToken(namespace: string, serviceAccount: string, ttlSeconds: number): Promise<IssuedToken> {
    const body = { namespace, serviceAccount, ttlSeconds };
    return JSON.parse(await this.text('POST', '/api/v1/ca/tokens', body)) as IssuedToken;
  }

  /** Makes a join token worthless. Errors: as `text`. */
  async revokeToken({ id, expires = '' }: { readonly id: string; readonly expires?: string }): Promise<void> {
    await this.text(
      'DELETE',
      `/api/v1/ca/tokens/${encodeURIComponent(id)}?expires=${encodeURIComponent(expires)}`,
    );
  }

  /** The certificate authority. Errors: as `text`. */
  authority(): Promise<ReportedAuthority> {
    return this.get('/api/v1/ca');
  }

  /** Proxies and agents that have an identity. Errors: as `text`. */
  async holders(): Promise<readonly ReportedHolder[]> {
    return (await this.get<{ workloads: readonly ReportedHolder[] }>('/api/v1/ca/workloads')).workloads;
  }

  /** One step of a root rotation. Errors: as `text`. */
  async rotate(step: 'begin' | 'switch' | 'finish', force = false): Promise<ReportedAuthority> {
    const path = `/api/v1/ca/rotation/${step}${force ? '?force=true' : ''}`;
    return JSON.parse(await this.text('POST', path)) as ReportedAuthority;
  }

  /** When heddled started, ISO 8601. Errors: as `text`. */
  async startedAt(): Promise<string> {
    return (await this.get<{ startedAt: string }>('/api/v1/status')).startedAt;
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

  /** Every canary, and where it is. Errors: as `text`. */
  async canaries(): Promise<readonly CanaryView[]> {
    return (await this.get<{ canaries: readonly CanaryView[] }>('/api/v1/canaries')).canaries;
  }

  async proxies(): Promise<readonly ReportedProxy[]> {
    return (await this.get<{ proxies: readonly ReportedProxy[] }>('/api/v1/proxies')).proxies;
  }
}

/** heddled answered, and not with what was asked for. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, body: string) {
    super(`heddled answered ${status}: ${messageOf(body)}`);
    this.status = status;
  }
}

function messageOf(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    if (typeof error === 'string') return error;
  } catch {
    // Not JSON: as it is.
  }
  return body.trim();
}
