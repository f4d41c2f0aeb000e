import type { RequestHead } from '../../http/message-head.js';
import type { LocalReply } from '../../http/local-reply.js';
import type { JwtAuthnConfig } from './jwt-authn-config.js';
import { accessDenied, JWT_FAILURE, type JwtFailure } from './jwt-failure.js';

/** The most of a path that `www-authenticate` repeats. */
const MAX_REALM_PATH = 256;

/** What a client without a good token is told. Source: RFC 6750 section 3, and Envoy's texts. */
export function tokenRefused(failure: JwtFailure, head: RequestHead, config: JwtAuthnConfig): LocalReply {
  const { status, text, details } = failure;
  const error = failure === JWT_FAILURE.missing ? '' : ', error="invalid_token"';
  return {
    status,
    flag: undefined,
    details,
    reason: `the request was refused for its token: ${text}`,
    body: config.stripFailureResponse ? '' : text,
    headers: config.stripFailureResponse
      ? []
      : [['www-authenticate', `Bearer realm="${realm(head)}"${error}`]],
  };
}

/** The route asks for a requirement that the filter does not have. */
export function unknownRequirement(name: string, config: JwtAuthnConfig): LocalReply {
  const known = [...config.requirements.keys()].sort().join(',');
  const text = `Wrong requirement_name: ${name}. It should be one of [${known}]`;
  return {
    status: 403,
    flag: undefined,
    details: accessDenied(text),
    reason: `the route asks for the token requirement "${name}", which the filter does not have`,
    body: config.stripFailureResponse ? '' : `Failed JWT authentication: ${text}`,
    headers: [],
  };
}

/** What was asked for, so that it may stand between quotes. */
function realm({ headers, scheme, authority, path }: RequestHead): string {
  const asked = (headers.get('x-envoy-original-path') ?? path).slice(0, MAX_REALM_PATH);
  const text = `${headers.get('x-forwarded-proto') ?? scheme}://${authority}${asked}`;
  return text.replaceAll('\\', '%5C').replaceAll('"', '%22');
}
