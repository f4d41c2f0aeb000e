import type { IncomingHttpHeaders, ServerResponse } from 'node:http';

/** What an endpoint of the API answers. A string body is sent as it is, anything else as JSON. */
export interface ApiResponse {
  readonly status: number;
  readonly body: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** Beside those of every answer, or instead of them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Writes the body, bit by bit, for as long as the caller listens. */
  readonly stream?: (response: ServerResponse) => void;
}

export interface ApiRequest {
  /** The values of `{name}` parts of the path, percent-decoded. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The body as text; empty without one. */
  readonly body: string;
}

/** One endpoint: how it is reached, what it means (for OpenAPI), and what it does. */
export interface ApiRoute {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** `/api/v1/proxies/{id}`: a part in braces matches one segment. */
  readonly path: string;
  readonly summary: string;
  /** Query parameters, with what they mean. */
  readonly query?: Readonly<Record<string, string>>;
  readonly bodyDescription?: string;
  /** A file for browsers, and no part of what OpenAPI describes. */
  readonly isPage?: true;
  /** Changes something, and so needs the token. */
  readonly writes: boolean;
  handle(request: ApiRequest): ApiResponse | Promise<ApiResponse>;
}

/** Finds the route of a request path and the values of its parameters. */
export function findRoute(
  routes: readonly ApiRoute[],
  method: string,
  path: string,
):
  | {
      readonly kind: 'found';
      readonly route: ApiRoute;
      readonly parameters: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'other-method'; readonly allowed: readonly string[] }
  | { readonly kind: 'none' } {
  const allowed: string[] = [];
  for (const route of routes) {
    const parameters = matchPath(route.path, path);
    if (parameters === undefined) continue;
    if (route.method === method) return { kind: 'found', route, parameters };
    allowed.push(route.method);
  }
  return allowed.length > 0 ? { kind: 'other-method', allowed } : { kind: 'none' };
}

function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    const segment = given[i] as string;
    if (!part.startsWith('{')) {
      if (part !== segment) return undefined;
      continue;
    }
    try {
      parameters[part.slice(1, -1)] = decodeURIComponent(segment);
    } catch {
      return undefined;
    }
  }
  return parameters;
}
