import { SpiffeIdError } from './errors.js';

/** The longest SPIFFE ID that anybody may generate. Source: SPIFFE-ID section 2.3. Units: bytes, which are ASCII. */
export const MAX_SPIFFE_ID_BYTES = 2048;
/** The longest trust domain name. Source: SPIFFE-ID section 2.3. */
export const MAX_TRUST_DOMAIN_BYTES = 255;

const SCHEME = 'spiffe://';
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const PATH_SEGMENT = /^[a-zA-Z0-9._-]+$/;

/**
 * A parsed SPIFFE ID.
 *
 * Shape: frozen; `uri` is the only text form, so two IDs are the same when their `uri`s are. `path` is empty for the ID
 * of a trust domain itself, and begins with a slash otherwise.
 */
export interface SpiffeId {
  readonly uri: string;
  readonly trustDomain: string;
  readonly path: string;
}

/** Why a text is no SPIFFE ID. */
export type SpiffeIdProblem =
  | 'too-long'
  | 'wrong-scheme'
  | 'empty-trust-domain'
  | 'trust-domain-too-long'
  | 'bad-trust-domain-character'
  | 'empty-path-segment'
  | 'dot-path-segment'
  | 'bad-path-character';

export type SpiffeIdResult =
  { readonly ok: true; readonly id: SpiffeId } | { readonly ok: false; readonly reason: SpiffeIdProblem };

/**
 * Parses text of any origin as a SPIFFE ID.
 *
 * Nothing is normalised: what is not in the one canonical form (lower-case scheme and trust domain, no percent-encoding,
 * no empty, `.` or `..` segment, no trailing slash) is refused, so that nobody can write the same name twice.
 * Source: SPIFFE-ID sections 2.1 to 2.3.
 */
export function parseSpiffeId(text: string): SpiffeIdResult {
  if (text.length > MAX_SPIFFE_ID_BYTES) return refuse('too-long');
  if (!text.startsWith(SCHEME)) return refuse('wrong-scheme');
  const slash = text.indexOf('/', SCHEME.length);
  const trustDomain = slash < 0 ? text.slice(SCHEME.length) : text.slice(SCHEME.length, slash);
  const path = slash < 0 ? '' : text.slice(slash);
  const problem = trustDomainProblem(trustDomain) ?? pathProblem(path);
  if (problem !== undefined) return refuse(problem);
  return { ok: true, id: Object.freeze({ uri: text, trustDomain, path }) };
}

/**
 * The SPIFFE ID that a text, such as one from configuration, must be.
 *
 * Errors: SpiffeIdError.
 */
export function requireSpiffeId(text: string): SpiffeId {
  const result = parseSpiffeId(text);
  if (!result.ok) throw new SpiffeIdError(`${quoted(text)} is no SPIFFE ID: ${result.reason}`);
  return result.id;
}

/** Whether a text may name a trust domain. */
export function isTrustDomain(text: string): boolean {
  return trustDomainProblem(text) === undefined;
}

/**
 * The SPIFFE ID of a trust domain, or of something in it.
 *
 * Shape: `formatSpiffeId('example.org', 'payments', 'db')` is `spiffe://example.org/payments/db`.
 * Errors: SpiffeIdError.
 */
export function formatSpiffeId(trustDomain: string, ...segments: readonly string[]): SpiffeId {
  // A slash inside a segment would silently become two segments.
  const slashed = segments.find((segment) => segment.includes('/'));
  if (slashed !== undefined) throw new SpiffeIdError(`${quoted(slashed)} is no path segment: it has a slash`);
  return requireSpiffeId([SCHEME + trustDomain, ...segments].join('/'));
}

/** Who runs as what, in Kubernetes' words. */
export interface WorkloadIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/**
 * The SPIFFE ID of a service account, in Istio's form `spiffe://TD/ns/NS/sa/SA`.
 *
 * Errors: SpiffeIdError.
 */
export function formatWorkloadId(identity: WorkloadIdentity): SpiffeId {
  return formatSpiffeId(identity.trustDomain, 'ns', identity.namespace, 'sa', identity.serviceAccount);
}

/**
 * The identity of the control plane, by which proxies know it. No join token is made for it. Errors: SpiffeIdError.
 */
export function controlPlaneId(trustDomain: string): SpiffeId {
  return formatWorkloadId({ trustDomain, namespace: 'heddle-system', serviceAccount: 'heddled' });
}

/** Namespace and service account of a SPIFFE ID in Istio's form; undefined for every other form. */
export function parseWorkloadId(id: SpiffeId): WorkloadIdentity | undefined {
  const [, ns, namespace, sa, serviceAccount, ...rest] = id.path.split('/');
  if (ns !== 'ns' || sa !== 'sa' || rest.length > 0) return undefined;
  if (namespace === undefined || serviceAccount === undefined) return undefined;
  return { trustDomain: id.trustDomain, namespace, serviceAccount };
}

function trustDomainProblem(trustDomain: string): SpiffeIdProblem | undefined {
  if (trustDomain === '') return 'empty-trust-domain';
  if (trustDomain.length > MAX_TRUST_DOMAIN_BYTES) return 'trust-domain-too-long';
  return TRUST_DOMAIN.test(trustDomain) ? undefined : 'bad-trust-domain-character';
}

function pathProblem(path: string): SpiffeIdProblem | undefined {
  if (path === '') return undefined;
  for (const segment of path.slice(1).split('/')) {
    if (segment === '') return 'empty-path-segment';
    if (segment === '.' || segment === '..') return 'dot-path-segment';
    if (!PATH_SEGMENT.test(segment)) return 'bad-path-character';
  }
  return undefined;
}

function refuse(reason: SpiffeIdProblem): SpiffeIdResult {
  return { ok: false, reason };
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
