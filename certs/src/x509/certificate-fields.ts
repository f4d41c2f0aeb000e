import { DerReader } from '../der/der-reader.js';
import { DerTag, contextTag } from '../der/der-tag.js';
import { Oid } from '../der/object-identifier.js';
import { EncodingError } from '../errors.js';

/** Longer certificates are not read. */
export const MAX_CERTIFICATE_BYTES = 64 * 1024;
const MAX_EXTENSIONS = 64;
const MAX_ALT_NAMES = 256;

/** Bits of the key usage extension. Source: RFC 5280 section 4.2.1.3. */
export const KeyUsageBit = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  dataEncipherment: 3,
  keyAgreement: 4,
  keyCertSign: 5,
  cRLSign: 6,
} as const;

/** Tags of GeneralName. Source: RFC 5280 section 4.2.1.6. */
export const GeneralNameTag = {
  rfc822Name: contextTag(1, 'primitive'),
  dnsName: contextTag(2, 'primitive'),
  uri: contextTag(6, 'primitive'),
  ipAddress: contextTag(7, 'primitive'),
} as const;

/** The names of each type as raw octets, in order: they may hold anything. */
export interface SubjectAltName {
  readonly critical: boolean;
  readonly uris: readonly Buffer[];
  readonly dnsNames: readonly Buffer[];
  readonly emails: readonly Buffer[];
  readonly ipAddresses: readonly Buffer[];
}

/** What this package asks of a certificate, read from its DER and from nothing else. */
export interface CertificateFields {
  readonly serialHex: string;
  /** The whole Name elements. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly subjectIsEmpty: boolean;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** The whole SubjectPublicKeyInfo. */
  readonly publicKeyInfo: Buffer;
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLength?: number };
  readonly keyUsage?: { readonly critical: boolean; readonly bits: ReadonlySet<number> };
  readonly extendedKeyUsage?: { readonly serverAuth: boolean; readonly clientAuth: boolean };
  readonly subjectAltName?: SubjectAltName;
  readonly subjectKeyId?: Buffer;
  /** How many critical extensions there are that this package does not understand. */
  readonly unknownCriticalExtensions: number;
}

type Extensions = Pick<
  CertificateFields,
  'basicConstraints' | 'keyUsage' | 'extendedKeyUsage' | 'subjectAltName' | 'subjectKeyId'
>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Reads a certificate, version 3 only; the signature is not checked.
 *
 * Source: RFC 5280 section 4.1. Errors: EncodingError. Cost: some microseconds, no copies.
 */
export function parseCertificate(der: Buffer): CertificateFields {
  if (der.length > MAX_CERTIFICATE_BYTES) throw new EncodingError('a certificate is too long');
  const outer = new DerReader(der, 'a certificate');
  const certificate = outer.enter(DerTag.sequence);
  outer.end();
  const tbs = certificate.enter(DerTag.sequence);
  const outerAlgorithm = certificate.readWhole(DerTag.sequence).whole;
  certificate.readOctetsOfBitString();
  certificate.end();

  const version = tbs.enter(contextTag(0, 'constructed'));
  if (version.readSmallInteger() !== 2) throw new EncodingError('a certificate is not of version 3');
  version.end();
  const serial = tbs.readInteger();
  if (serial.length > 21 || (serial[0] as number) >= 0x80) {
    throw new EncodingError('a certificate has a negative or too long serial number');
  }
  if (!tbs.readWhole(DerTag.sequence).whole.equals(outerAlgorithm)) {
    throw new EncodingError('a certificate names two signature algorithms');
  }
  const issuer = tbs.readWhole(DerTag.sequence).whole;
  const validity = tbs.enter(DerTag.sequence);
  const notBeforeMs = readTime(validity);
  const notAfterMs = readTime(validity);
  validity.end();
  const subject = tbs.readWhole(DerTag.sequence);
  const publicKeyInfo = tbs.readWhole(DerTag.sequence).whole;
  // Unique identifiers: never used, but allowed.
  tbs.readOptional(contextTag(1, 'primitive'));
  tbs.readOptional(contextTag(2, 'primitive'));
  const extensions: Mutable<Extensions> = {};
  let unknownCriticalExtensions = 0;
  if (!tbs.atEnd) {
    const wrapper = tbs.enter(contextTag(3, 'constructed'));
    unknownCriticalExtensions = readExtensions(wrapper.enter(DerTag.sequence), extensions);
    wrapper.end();
  }
  tbs.end();
  return {
    // The octet that only keeps the number from being negative is not part of it.
    serialHex: serial.subarray(serial.length > 1 && serial[0] === 0 ? 1 : 0).toString('hex'),
    issuer,
    subject: subject.whole,
    subjectIsEmpty: subject.content.length === 0,
    notBeforeMs,
    notAfterMs,
    publicKeyInfo,
    ...extensions,
    unknownCriticalExtensions,
  };
}

/** Fills `found` and returns how many critical extensions were not understood. */
function readExtensions(reader: DerReader, found: Mutable<Extensions>): number {
  const seen = new Set<string>();
  let unknownCritical = 0;
  while (!reader.atEnd) {
    const extension = reader.enter(DerTag.sequence, 'an extension of a certificate');
    const oid = extension.readObjectIdentifier();
    const critical = extension.readBooleanOrFalse();
    const value = extension.read(DerTag.octetString);
    extension.end();
    const key = oid.toString('latin1');
    if (seen.has(key)) throw new EncodingError('a certificate has an extension twice');
    seen.add(key);
    if (seen.size > MAX_EXTENSIONS) throw new EncodingError('a certificate has too many extensions');
    if (!readExtension(oid, critical, value, found) && critical) unknownCritical++;
  }
  return unknownCritical;
}

function readExtension(oid: Buffer, critical: boolean, value: Buffer, found: Mutable<Extensions>): boolean {
  if (Oid.subjectAltName.is(oid)) found.subjectAltName = { critical, ...readNames(value) };
  else if (Oid.keyUsage.is(oid)) found.keyUsage = { critical, bits: readKeyUsage(value) };
  else if (Oid.basicConstraints.is(oid)) found.basicConstraints = readBasicConstraints(value);
  else if (Oid.extendedKeyUsage.is(oid)) found.extendedKeyUsage = readExtendedKeyUsage(value);
  else if (Oid.subjectKeyIdentifier.is(oid)) {
    const reader = new DerReader(value, 'a subject key identifier');
    found.subjectKeyId = reader.read(DerTag.octetString);
    reader.end();
  } else return false;
  return true;
}

function readNames(value: Buffer): Omit<SubjectAltName, 'critical'> {
  const outer = new DerReader(value, 'a subject alternative name');
  const names = outer.enter(DerTag.sequence);
  outer.end();
  const uris: Buffer[] = [];
  const dnsNames: Buffer[] = [];
  const emails: Buffer[] = [];
  const ipAddresses: Buffer[] = [];
  let count = 0;
  while (!names.atEnd) {
    const { tag, content } = names.readElement();
    // GeneralName is a choice of [0] to [8]; anything else is not a name.
    if ((tag & 0xc0) !== 0x80 || (tag & 0x1f) > 8)
      throw new EncodingError('a certificate has a name of no known type');
    if (++count > MAX_ALT_NAMES) throw new EncodingError('a certificate has too many names');
    switch (tag & 0x1f) {
      case 1:
        emails.push(primitive(tag, GeneralNameTag.rfc822Name, content));
        break;
      case 2:
        dnsNames.push(primitive(tag, GeneralNameTag.dnsName, content));
        break;
      case 6:
        uris.push(primitive(tag, GeneralNameTag.uri, content));
        break;
      case 7:
        ipAddresses.push(primitive(tag, GeneralNameTag.ipAddress, content));
    }
  }
  return { uris, dnsNames, emails, ipAddresses };
}

/** A name in text is primitive; a constructed one would be a second spelling of it. */
function primitive(tag: number, expected: number, content: Buffer): Buffer {
  if (tag !== expected) throw new EncodingError('a certificate has a broken name');
  return content;
}

function readKeyUsage(value: Buffer): ReadonlySet<number> {
  const reader = new DerReader(value, 'a key usage');
  const { unusedBits, bits } = reader.readBitString();
  reader.end();
  const set = new Set<number>();
  for (let bit = 0; bit < bits.length * 8 - unusedBits && bit < 16; bit++) {
    if (((bits[bit >> 3] as number) & (0x80 >> (bit & 7))) !== 0) set.add(bit);
  }
  return set;
}

function readBasicConstraints(value: Buffer): { ca: boolean; pathLength?: number } {
  const outer = new DerReader(value, 'basic constraints');
  const reader = outer.enter(DerTag.sequence);
  outer.end();
  const ca = reader.readBooleanOrFalse();
  const pathLength = reader.peekTag() === DerTag.integer ? reader.readSmallInteger() : undefined;
  reader.end();
  return pathLength === undefined ? { ca } : { ca, pathLength };
}

function readExtendedKeyUsage(value: Buffer): { serverAuth: boolean; clientAuth: boolean } {
  const outer = new DerReader(value, 'an extended key usage');
  const reader = outer.enter(DerTag.sequence);
  outer.end();
  let serverAuth = false;
  let clientAuth = false;
  while (!reader.atEnd) {
    const purpose = reader.readObjectIdentifier();
    serverAuth ||= Oid.serverAuth.is(purpose);
    clientAuth ||= Oid.clientAuth.is(purpose);
  }
  return { serverAuth, clientAuth };
}

/** Source: RFC 5280 section 4.1.2.5: seconds are always there, the zone is always Z, fractions are never there. */
function readTime(reader: DerReader): number {
  const { tag, content } = reader.readElement();
  const text = content.toString('latin1');
  let yearDigits: number;
  if (tag === DerTag.utcTime && /^[0-9]{12}Z$/.test(text)) yearDigits = 2;
  else if (tag === DerTag.generalizedTime && /^[0-9]{14}Z$/.test(text)) yearDigits = 4;
  else throw new EncodingError('a certificate has a bad time');
  const part = (index: number): number => {
    const at = yearDigits + 2 * index;
    return Number(text.slice(at, at + 2));
  };
  const written = Number(text.slice(0, yearDigits));
  const year = yearDigits === 4 ? written : written >= 50 ? 1900 + written : 2000 + written;
  const [month, day, hour, minute, second] = [part(0), part(1), part(2), part(3), part(4)];
  const atMs = Date.UTC(year, month - 1, day, hour, minute, second);
  // Date takes days and hours that do not exist for later ones, and years of one or two digits for others.
  const exists =
    year >= 100 && month >= 1 && month <= 12 && hour <= 23 && minute <= 59 && second <= 59 && day >= 1;
  if (!exists || new Date(atMs).getUTCDate() !== day) throw new EncodingError('a certificate has a bad time');
  return atMs;
}
