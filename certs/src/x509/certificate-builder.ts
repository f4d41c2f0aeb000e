import { createHash, sign, type KeyObject } from 'node:crypto';
import {
  derBitString,
  derExplicit,
  derNamedBits,
  derOctetString,
  derSequence,
  derSetOf,
  derTime,
  derTrue,
  derUnsignedInteger,
  derUtf8String,
  encodeDer,
} from '../der/der-writer.js';
import { contextTag } from '../der/der-tag.js';
import { Oid, type ObjectIdentifier } from '../der/object-identifier.js';
import { GeneralNameTag } from './certificate-fields.js';

/** A name of the subject alternative name extension: the tag of its type and its octets. */
export interface AltName {
  readonly tag: number;
  readonly octets: Uint8Array;
}

/** What is signed. Names, key and extensions are whole DER elements. */
export interface CertificateContent {
  readonly serial: Uint8Array;
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKeyInfo: Buffer;
  readonly extensions: readonly Buffer[];
}

const ECDSA_WITH_SHA256 = derSequence(Oid.ecdsaWithSha256.der);
const VERSION_3 = derExplicit(0, derUnsignedInteger(Buffer.of(2)));
const VERSION_1 = derUnsignedInteger(Buffer.of(0));

/** The empty Name, which a certificate has that is named by its alternative names alone. */
export const EMPTY_NAME = derSequence();

/**
 * Signs a certificate with an ECDSA P-256 key, as its DER.
 *
 * Source: RFC 5280 section 4.1.
 */
export function signCertificate(content: CertificateContent, issuerKey: KeyObject): Buffer {
  const tbs = derSequence(
    VERSION_3,
    derUnsignedInteger(content.serial),
    ECDSA_WITH_SHA256,
    content.issuer,
    derSequence(derTime(content.notBeforeMs), derTime(content.notAfterMs)),
    content.subject,
    content.publicKeyInfo,
    derExplicit(3, derSequence(...content.extensions)),
  );
  return derSequence(tbs, ECDSA_WITH_SHA256, derBitString(sign('sha256', tbs, issuerKey)));
}

/**
 * Signs a certificate request with an ECDSA P-256 key, as its DER.
 *
 * Source: RFC 2986 section 4 and, for the extensions that it asks for, RFC 2985 section 5.4.2.
 */
export function signCertificateRequest(
  request: {
    readonly subject: Buffer;
    readonly publicKeyInfo: Buffer;
    readonly extensions: readonly Buffer[];
  },
  key: KeyObject,
): Buffer {
  const attribute = derSequence(Oid.extensionRequest.der, derSetOf(derSequence(...request.extensions)));
  const info = derSequence(VERSION_1, request.subject, request.publicKeyInfo, derExplicit(0, attribute));
  return derSequence(info, ECDSA_WITH_SHA256, derBitString(sign('sha256', info, key)));
}

/** A Name of one attribute for each pair. */
export function distinguishedName(...pairs: ReadonlyArray<readonly [ObjectIdentifier, string]>): Buffer {
  return derSequence(...pairs.map(([type, value]) => derSetOf(derSequence(type.der, derUtf8String(value)))));
}

export function extension(oid: ObjectIdentifier, critical: boolean, value: Uint8Array): Buffer {
  return critical
    ? derSequence(oid.der, derTrue(), derOctetString(value))
    : derSequence(oid.der, derOctetString(value));
}

export function basicConstraintsExtension(constraints: { ca: boolean; pathLength?: number }): Buffer {
  const { ca, pathLength } = constraints;
  const value = ca
    ? derSequence(derTrue(), ...(pathLength === undefined ? [] : [derUnsignedInteger(Buffer.of(pathLength))]))
    : derSequence();
  return extension(Oid.basicConstraints, true, value);
}

/** `bits` are of KeyUsageBit. */
export function keyUsageExtension(bits: readonly number[], critical = true): Buffer {
  return extension(Oid.keyUsage, critical, derNamedBits(bits));
}

export function extendedKeyUsageExtension(purposes: readonly ObjectIdentifier[]): Buffer {
  return extension(Oid.extendedKeyUsage, false, derSequence(...purposes.map((purpose) => purpose.der)));
}

export function subjectAltNameExtension(names: readonly AltName[], critical: boolean): Buffer {
  const value = derSequence(...names.map(({ tag, octets }) => encodeDer(tag, octets)));
  return extension(Oid.subjectAltName, critical, value);
}

export function uriName(uri: string): AltName {
  return { tag: GeneralNameTag.uri, octets: Buffer.from(uri, 'latin1') };
}

export function subjectKeyIdExtension(keyId: Uint8Array): Buffer {
  return extension(Oid.subjectKeyIdentifier, false, derOctetString(keyId));
}

export function authorityKeyIdExtension(keyId: Uint8Array): Buffer {
  const value = derSequence(encodeDer(contextTag(0, 'primitive'), keyId));
  return extension(Oid.authorityKeyIdentifier, false, value);
}

/** An identifier of a public key: 160 bits of its SHA-256. Source: RFC 7093 section 2, method 4. */
export function keyIdOf(publicKeyInfo: Uint8Array): Buffer {
  return createHash('sha256').update(publicKeyInfo).digest().subarray(0, 20);
}
