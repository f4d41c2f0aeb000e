import type { WorkloadIdentityState } from '@heddle/certs/client';
import { json, text, type AdminPage, type AdminResponse } from '../admin-page.js';

export interface IdentityPagesOptions {
  /** undefined: the proxy has none. */
  readonly state: () => WorkloadIdentityState | undefined;
  readonly renew: () => void;
}

/** The workload's own identity. Ours: Envoy has no such pages, as its certificates come from elsewhere. */
export function identityPages({ state, renew }: IdentityPagesOptions): readonly AdminPage[] {
  return [
    {
      path: '/identity',
      description: 'print the identity of the workload, its certificate and the roots (only in heddle-proxy)',
      respond: () => show(state()),
    },
    {
      path: '/identity/renew',
      description: 'ask for another certificate now (only in heddle-proxy)',
      mutates: true,
      respond: () => {
        if (state() === undefined) return nobody();
        renew();
        return text('OK\n');
      },
    },
  ];
}

function nobody(): AdminResponse {
  return text('this proxy has no identity: start it with --ca-address\n', 404);
}

function show(shown: WorkloadIdentityState | undefined): AdminResponse {
  if (shown === undefined) return nobody();
  const { certificate, roots, spiffeId, phase, alarm, lastError, ...counts } = shown;
  return json({
    spiffe_id: spiffeId,
    phase,
    alarm,
    ...(certificate === undefined
      ? {}
      : {
          certificate: {
            serial_number: certificate.serialHex,
            valid_from: iso(certificate.notBeforeMs),
            expiration_time: iso(certificate.notAfterMs),
            renewal_time: iso(certificate.renewAtMs),
          },
        }),
    roots: roots.map(({ fingerprint, notAfterMs }) => ({
      fingerprint,
      expiration_time: iso(notAfterMs),
    })),
    hears_of_roots: counts.hearsOfRoots,
    certificates_issued: counts.issued,
    attempts: counts.attempts,
    failures: counts.failures,
    consecutive_failures: counts.consecutiveFailures,
    ...(lastError === undefined ? {} : { last_error: lastError }),
  });
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
