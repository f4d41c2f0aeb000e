import { createHash } from 'node:crypto';
import {
  distinguishedNameText,
  formatPem,
  parseCertificate,
  type CertificateFields,
} from '@heddle/certs/workload';
import type { CertificateInfo } from '@heddle/engine';
import { RecentMap } from './recent-map.js';

/** A leaf certificate, ours or a peer's, read from its DER and from nothing else. */
export class LeafCertificate implements CertificateInfo {
  readonly der: Buffer;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly emailSans: readonly string[];
  /** In the form that `inet_ntop` writes. */
  readonly ipSans: readonly string[];
  readonly subject: string;
  readonly issuer: string;
  readonly serialHex: string;
  readonly sha256Hex: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SHA-256 of the DER of the public key, base64. */
  readonly publicKeyHash: string;

  constructor(der: Buffer, fields: CertificateFields) {
    const names = fields.subjectAltName;
    this.der = der;
    this.uriSans = texts(names?.uris);
    this.dnsSans = texts(names?.dnsNames);
    this.emailSans = texts(names?.emails);
    this.ipSans = Object.freeze((names?.ipAddresses ?? []).map(addressText));
    this.subject = distinguishedNameText(fields.subject);
    this.issuer = distinguishedNameText(fields.issuer);
    this.serialHex = fields.serialHex;
    this.sha256Hex = createHash('sha256').update(der).digest('hex');
    this.notBeforeMs = fields.notBeforeMs;
    this.notAfterMs = fields.notAfterMs;
    this.publicKeyHash = createHash('sha256').update(fields.publicKeyInfo).digest('base64');
    Object.freeze(this);
  }

  pem(): string {
    return formatPem('CERTIFICATE', this.der);
  }
}

export type ReadCertificate =
  | { readonly ok: true; readonly certificate: LeafCertificate }
  /** In words, printable ASCII. */
  | { readonly ok: false; readonly problem: string };

/**
 * Reads a leaf certificate.
 *
 * A name with a NUL, a control character or anything else that is not printable ASCII makes the whole certificate unusable: such a
 * name is there to be read in two ways.
 * Errors: none; whatever the bytes are, the answer is a value.
 */
export function readLeafCertificate(der: Buffer): ReadCertificate {
  try {
    const fields = parseCertificate(der);
    const names = fields.subjectAltName;
    for (const octets of [...(names?.uris ?? []), ...(names?.dnsNames ?? []), ...(names?.emails ?? [])]) {
      if (octets.every((octet) => octet > 0x20 && octet < 0x7f)) continue;
      return { ok: false, problem: `the name ${quoted(octets)} holds what is not printable ASCII` };
    }
    if (names?.ipAddresses.some(({ length }) => length !== 4 && length !== 16) === true) {
      return { ok: false, problem: 'an IP address in it has no known length' };
    }
    return { ok: true, certificate: new LeafCertificate(der, fields) };
  } catch (error) {
    // Of the readers in the certs package, which name the problem and never the bytes.
    return { ok: false, problem: error instanceof Error ? error.message : 'it cannot be read' };
  }
}

/** Peers of a sidecar are few and come again and again: what was read of a certificate is kept. */
const MOST_KEPT = 1024;

/** Reads leaf certificates, each once as long as it is in use. */
export class CertificateReader {
  readonly #read = new RecentMap<string, ReadCertificate>(MOST_KEPT);

  /** Cost: a copy of a certificate that is known. `der` is kept. */
  read(der: Buffer): ReadCertificate {
    const bytes = der.toString('latin1');
    let read = this.#read.get(bytes);
    if (read === undefined) {
      read = readLeafCertificate(der);
      this.#read.set(bytes, read);
    }
    return read;
  }
}

function texts(names: readonly Buffer[] | undefined): readonly string[] {
  return Object.freeze((names ?? []).map((octets) => octets.toString('latin1')));
}

function addressText(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(2 * i).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** A name for people: what is not printable is written as `\xXX`. */
function quoted(octets: Buffer): string {
  const text = octets
    .toString('latin1', 0, 256)
    .replace(/[^\x20-\x7e]|[\\"]/g, (found) => `\\x${found.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${text}${octets.length > 256 ? '...' : ''}"`;
}
