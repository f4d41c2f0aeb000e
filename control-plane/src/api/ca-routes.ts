import { AuthorityStateError, JoinTokenError, SpiffeIdError, formatWorkloadId } from '@heddle/certs';
import { formatSpiffeBundle } from '@heddle/certs/workload';
import { describeError } from '@heddle/common';
import { LONGEST_TOKEN_TTL_MS, type CertificateAuthority } from '../ca/certificate-authority.js';
import type { CertificateHolder } from '../ca/certificate-holders.js';
import { problem } from './api-server.js';
import type { ApiResponse, ApiRoute } from './api-route.js';

const LONGEST_TOKEN_TTL_S = LONGEST_TOKEN_TTL_MS / 1000;
const ROTATION_STEPS = ['begin', 'switch', 'finish'] as const;

/** The endpoints about certificates. `ca` is undefined where heddled is no authority: then all of them answer with 404. */
export function createCaRoutes(ca: CertificateAuthority | undefined): readonly ApiRoute[] {
  const withCa =
    (handle: (ca: CertificateAuthority, request: Parameters<ApiRoute['handle']>[0]) => ApiResponse) =>
    (request: Parameters<ApiRoute['handle']>[0]): ApiResponse =>
      ca === undefined
        ? problem(404, 'heddled is no certificate authority: start it with --ca-dir')
        : handle(ca, request);
  return [
    {
      method: 'GET',
      path: '/api/v1/ca',
      summary: 'The certificate authority: its roots, where a root rotation stands, and what it issued.',
      writes: false,
      handle: withCa((authority) => ({ status: 200, body: describeAuthority(authority) })),
    },
    {
      method: 'GET',
      path: '/api/v1/ca/roots',
      summary: 'The roots to trust, the one that signs first.',
      query: { format: 'pem (default), or spiffe: a SPIFFE bundle' },
      writes: false,
      handle: withCa(({ authority }, { query }) => {
        const format = query.get('format') ?? 'pem';
        if (format === 'pem') {
          return { status: 200, body: authority.rootsPem, contentType: 'application/x-pem-file' };
        }
        if (format === 'spiffe') return { status: 200, body: `${formatSpiffeBundle(authority.roots)}\n` };
        return problem(400, 'format must be pem or spiffe');
      }),
    },
    {
      method: 'GET',
      path: '/api/v1/ca/workloads',
      summary:
        'Proxies and agents with an identity: which root each certificate is from, and who has the newest roots.',
      writes: false,
      handle: withCa((authority) => ({
        status: 200,
        body: { workloads: authority.holders().map(describeHolder) },
      })),
    },
    {
      method: 'POST',
      path: '/api/v1/ca/rotation/{step}',
      summary: 'Goes one step in a root rotation: begin, switch or finish.',
      query: { force: 'true: finish although leaves of the old root may be in use' },
      writes: true,
      handle: withCa((authority, { parameters, query }) =>
        rotate(authority, parameters['step'] ?? '', query.get('force') === 'true'),
      ),
    },
    {
      method: 'POST',
      path: '/api/v1/ca/tokens',
      summary: 'Makes a join token, with which one identity gets certificates and configuration.',
      bodyDescription: 'JSON: namespace, serviceAccount, and ttlSeconds (default 86400, at most 30 days).',
      writes: true,
      handle: withCa((authority, { body }) => issueToken(authority, body)),
    },
    {
      method: 'DELETE',
      path: '/api/v1/ca/tokens/{id}',
      summary: 'Makes a join token worthless, and ends the discovery streams that began with it.',
      query: { expires: 'when it would have ended, ISO 8601: it is remembered until then (default 30 days)' },
      writes: true,
      handle: withCa((authority, { parameters, query }) => {
        const { id = '' } = parameters;
        const expiresMs = Date.parse(query.get('expires') ?? '');
        if (!/^[0-9a-f]{32}$/.test(id)) return problem(400, 'a token id has 32 hexadecimal digits');
        return attempt(() => {
          authority.revoke(id, Number.isNaN(expiresMs) ? Infinity : expiresMs);
          return { status: 200, body: { revoked: id } };
        });
      }),
    },
  ];
}

function describeAuthority(ca: CertificateAuthority): unknown {
  const { trustDomain, phase, roots, oldLeavesUntilMs, signed } = ca.status;
  const { certificate, alarm } = ca.serving;
  return {
    trustDomain,
    rotation: phase,
    ...(oldLeavesUntilMs === undefined ? {} : { oldLeavesUntil: iso(oldLeavesUntilMs) }),
    roots: roots.map(({ fingerprint, notAfterMs, signs }) => ({
      fingerprint,
      notAfter: iso(notAfterMs),
      signs,
    })),
    issued: signed,
    refused: Object.fromEntries(ca.refused),
    serving:
      certificate === undefined
        ? { alarm }
        : { serial: certificate.serialHex, notAfter: iso(certificate.notAfterMs), alarm },
  };
}

function describeHolder(holder: CertificateHolder): unknown {
  const { nodeId, rootFingerprint, provenUntilMs, ...rest } = holder;
  return { id: nodeId, ...rest, root: rootFingerprint, provenUntil: iso(provenUntilMs) };
}

function rotate(ca: CertificateAuthority, step: string, force: boolean): ApiResponse {
  return attempt(() => {
    switch (step) {
      case 'begin':
        ca.authority.beginRotation();
        break;
      case 'switch':
        ca.authority.switchSigning();
        break;
      case 'finish':
        ca.authority.finishRotation({ force });
        break;
      default:
        return problem(404, `there is no step ${JSON.stringify(step)}: ${ROTATION_STEPS.join(', ')}`);
    }
    return { status: 200, body: describeAuthority(ca) };
  });
}

function issueToken(ca: CertificateAuthority, body: string): ApiResponse {
  let wanted: unknown;
  try {
    wanted = JSON.parse(body);
  } catch {
    return problem(400, 'the body is not JSON');
  }
  if (typeof wanted !== 'object' || wanted === null) return problem(400, 'the body is not a JSON object');
  const { namespace, serviceAccount, ttlSeconds = 86_400 } = wanted as Record<string, unknown>;
  if (typeof namespace !== 'string' || typeof serviceAccount !== 'string') {
    return problem(400, 'expected namespace and serviceAccount as texts');
  }
  if (typeof ttlSeconds !== 'number' || !(ttlSeconds >= 1 && ttlSeconds <= LONGEST_TOKEN_TTL_S)) {
    return problem(400, `expected ttlSeconds from 1 to ${LONGEST_TOKEN_TTL_S}`);
  }
  return attempt(() => {
    const { trustDomain } = ca.authority;
    const identity = formatWorkloadId({ trustDomain, namespace, serviceAccount });
    const { token, id, expiresMs } = ca.issueToken(identity, ttlSeconds * 1000);
    return { status: 200, body: { token, id, identity: identity.uri, expires: iso(expiresMs) } };
  });
}

/** What the authority refuses is the caller's to mend. */
function attempt(act: () => ApiResponse): ApiResponse {
  try {
    return act();
  } catch (error) {
    if (error instanceof AuthorityStateError) return problem(409, describeError(error));
    if (error instanceof JoinTokenError || error instanceof SpiffeIdError)
      return problem(400, describeError(error));
    throw error;
  }
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
