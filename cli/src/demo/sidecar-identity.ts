import { adminCall } from '../launcher/admin-call.js';

/** What a proxy shows of its certificate and of the roots that it trusts, in hex. */
export interface ShownIdentity {
  readonly serial: string;
  readonly roots: readonly string[];
}

/** Asks a proxy's admin server. Errors: it does not answer, or the proxy has no certificate. */
export async function shownIdentity(adminPort: number): Promise<ShownIdentity> {
  const { certificate, roots } = JSON.parse(await adminCall('GET', adminPort, '/identity')) as {
    readonly certificate: { readonly serial_number: string };
    readonly roots: readonly { readonly fingerprint: string }[];
  };
  return { serial: certificate.serial_number, roots: roots.map(({ fingerprint }) => fingerprint) };
}

/** Has a proxy get another key and certificate now. Errors: its admin server does not answer with 200. */
export async function renewCertificate(adminPort: number): Promise<void> {
  await adminCall('POST', adminPort, '/identity/renew');
}
