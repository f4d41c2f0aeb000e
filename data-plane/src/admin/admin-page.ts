/** A request to the admin server, as pages see it. */
export interface AdminRequest {
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface AdminResponse {
  readonly status: number;
  readonly contentType: string;
  /** In parts, so that large pages need not be one string. */
  readonly body: string | Iterable<string>;
}

/** One page: Envoy's path, what it is for, and what it answers. */
export interface AdminPage {
  readonly path: string;
  readonly description: string;
  /** Query parameters, with what they mean. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** It changes something, and so needs POST. */
  readonly mutates?: boolean;
  respond(request: AdminRequest): AdminResponse;
}

export const TEXT = 'text/plain; charset=UTF-8';
export const JSON_TYPE = 'application/json';

export function text(body: string | Iterable<string>, status = 200): AdminResponse {
  return { status, contentType: TEXT, body };
}

/** Indented by one space, as Envoy prints it. */
export function json(value: unknown, status = 200): AdminResponse {
  return { status, contentType: JSON_TYPE, body: `${JSON.stringify(value, null, 1)}\n` };
}
