import { EncodingError } from '../errors.js';
import { parseSpiffeId, type SpiffeId, type SpiffeIdProblem } from '../spiffe-id.js';
import { KeyUsageBit, parseCertificate, type CertificateFields } from '../x509/certificate-fields.js';

/** Why a certificate identifies nobody. */
export type SvidProblem =
  | 'malformed'
  | 'unknown-critical-extension'
  | 'not-yet-valid'
  | 'expired'
  | 'ca-certificate'
  | 'no-key-usage'
  | 'key-usage-not-critical'
  | 'no-digital-signature'
  | 'may-sign-certificates'
  | 'may-sign-revocation-lists'
  | 'no-server-auth'
  | 'no-client-auth'
  | 'no-uri-name'
  | 'several-uri-names'
  | 'name-not-critical'
  | 'bad-spiffe-id'
  | 'no-path'
  | 'other-trust-domain';

export type SvidVerdict =
  | {
      readonly ok: true;
      readonly spiffeId: SpiffeId;
      readonly notBeforeMs: number;
      readonly notAfterMs: number;
      readonly serialHex: string;
    }
  /** `detail` is for people; it holds printable ASCII only, whatever the certificate held. */
  | { readonly ok: false; readonly reason: SvidProblem; readonly detail: string };

export interface VerifySvidOptions {
  /** Whose identities count. Empty: nobody's; `any`: everybody's, where the roots alone decide whom to trust. */
  readonly trustDomains: ReadonlySet<string> | 'any';
  readonly nowMs: number;
  /** How far this clock and the authority's may be apart. Default 0. */
  readonly clockSkewMs?: number;
}

/**
 * Reads who a peer is from the DER of its leaf certificate, by every rule of the X.509-SVID standard.
 *
 * The chain up to a trusted root is the TLS library's to check, and this is no replacement for it. It is the second
 * check, to be made on every connection, resumed ones as well, because TLS does not look at validity again there.
 *
 * Source: X509-SVID sections 2 to 5.2. Errors: none; whatever the bytes are, the answer is a verdict.
 * Cost: some microseconds.
 */
export function verifySvid(der: Uint8Array, options: VerifySvidOptions): SvidVerdict {
  let fields: CertificateFields;
  try {
    fields = parseCertificate(Buffer.from(der.buffer, der.byteOffset, der.byteLength));
  } catch (error) {
    if (error instanceof EncodingError) return refuse('malformed', error.message);
    throw error;
  }
  return validityProblem(fields, options) ?? usageProblem(fields) ?? identityOf(fields, options.trustDomains);
}

function validityProblem(fields: CertificateFields, options: VerifySvidOptions): SvidVerdict | undefined {
  const { nowMs, clockSkewMs = 0 } = options;
  const { notBeforeMs, notAfterMs } = fields;
  // Written so that a time that is not a number refuses.
  if (!(nowMs >= notBeforeMs - clockSkewMs)) return refuse('not-yet-valid', `not before ${iso(notBeforeMs)}`);
  if (!(nowMs <= notAfterMs + clockSkewMs)) return refuse('expired', `not after ${iso(notAfterMs)}`);
  return undefined;
}

function usageProblem(fields: CertificateFields): SvidVerdict | undefined {
  const { basicConstraints, keyUsage, extendedKeyUsage } = fields;
  if (fields.unknownCriticalExtensions > 0) {
    return refuse('unknown-critical-extension', 'a critical extension is not understood');
  }
  if (basicConstraints?.ca === true) return refuse('ca-certificate', 'an authority is nobody to talk to');
  if (keyUsage === undefined) return refuse('no-key-usage', 'the key usage extension is missing');
  if (!keyUsage.critical) return refuse('key-usage-not-critical', 'the key usage extension is not critical');
  const { bits } = keyUsage;
  if (bits.has(KeyUsageBit.keyCertSign)) return refuse('may-sign-certificates', 'keyCertSign is set');
  if (bits.has(KeyUsageBit.cRLSign)) return refuse('may-sign-revocation-lists', 'cRLSign is set');
  if (!bits.has(KeyUsageBit.digitalSignature)) {
    return refuse('no-digital-signature', 'digitalSignature is not set');
  }
  if (extendedKeyUsage?.serverAuth === false) return refuse('no-server-auth', 'serverAuth is missing');
  if (extendedKeyUsage?.clientAuth === false) return refuse('no-client-auth', 'clientAuth is missing');
  return undefined;
}

function identityOf(fields: CertificateFields, trustDomains: VerifySvidOptions['trustDomains']): SvidVerdict {
  const name = fields.subjectAltName;
  const uri = name?.uris[0];
  if (name === undefined || uri === undefined) return refuse('no-uri-name', 'there is no URI name');
  if (name.uris.length > 1) return refuse('several-uri-names', `there are ${name.uris.length} URI names`);
  if (fields.subjectIsEmpty && !name.critical) {
    return refuse('name-not-critical', 'the subject is empty and the alternative name not critical');
  }
  // One character for each octet: what is not ASCII is refused by the parser, never read as something else.
  const text = uri.toString('latin1');
  const parsed = parseSpiffeId(text);
  if (!parsed.ok) return refuse('bad-spiffe-id', badIdDetail(text, parsed.reason));
  if (parsed.id.path === '') return refuse('no-path', `${parsed.id.uri} names a trust domain`);
  if (trustDomains !== 'any' && !trustDomains.has(parsed.id.trustDomain)) {
    return refuse('other-trust-domain', `${parsed.id.uri} is of another trust domain`);
  }
  const { notBeforeMs, notAfterMs, serialHex } = fields;
  return { ok: true, spiffeId: parsed.id, notBeforeMs, notAfterMs, serialHex };
}

function badIdDetail(text: string, reason: SpiffeIdProblem): string {
  const start = text.slice(0, 128);
  const escaped = start.replace(
    /[^\x21-\x7e]|\\/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `${reason}: ${escaped}${text.length > start.length ? '...' : ''}`;
}

function refuse(reason: SvidProblem, detail: string): SvidVerdict {
  return { ok: false, reason, detail };
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
