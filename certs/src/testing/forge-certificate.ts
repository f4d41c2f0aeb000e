import { createPrivateKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { Oid } from '../der/object-identifier.js';
import {
  EMPTY_NAME,
  basicConstraintsExtension,
  distinguishedName,
  extendedKeyUsageExtension,
  keyUsageExtension,
  signCertificate,
  subjectAltNameExtension,
  type AltName,
} from '../x509/certificate-builder.js';
import { KeyUsageBit, parseCertificate } from '../x509/certificate-fields.js';
import { formatPem, parsePem } from '../x509/pem.js';

/** A certificate with its key. */
export interface ForgedCertificate {
  readonly der: Buffer;
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly key: KeyObject;
  readonly name: Buffer;
}

export interface ForgeOptions {
  /** Default: it signs itself. */
  readonly issuer?: { readonly key: KeyObject; readonly name: Buffer };
  readonly names?: readonly AltName[];
  readonly namesCritical?: boolean;
  /** Common name; the subject is empty without one. */
  readonly commonName?: string;
  readonly ca?: boolean | 'left-out';
  /** Bits of KeyUsageBit; 'left-out' leaves the extension out. */
  readonly keyUsage?: readonly number[] | 'left-out';
  readonly keyUsageCritical?: boolean;
  readonly purposes?: ReadonlyArray<'serverAuth' | 'clientAuth'> | 'left-out';
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly serial?: Uint8Array;
  /** Default: a new one. */
  readonly keyPair?: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  readonly furtherExtensions?: readonly Buffer[];
}

/**
 * Makes a certificate as wrong as a test wants it: every default is what an X.509-SVID needs, and nothing is checked.
 *
 * For tests only.
 */
export function forgeCertificate(options: ForgeOptions = {}): ForgedCertificate {
  const { privateKey, publicKey } = options.keyPair ?? generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { ca = false, keyUsage, purposes = ['serverAuth', 'clientAuth'], names = [] } = options;
  const bits = keyUsage ?? (ca === true ? [KeyUsageBit.keyCertSign] : [KeyUsageBit.digitalSignature]);
  const name =
    options.commonName === undefined ? EMPTY_NAME : distinguishedName([Oid.commonName, options.commonName]);
  const issuer = options.issuer ?? { key: privateKey, name };
  const der = signCertificate(
    {
      serial: options.serial ?? randomBytes(16),
      issuer: issuer.name,
      subject: name,
      notBeforeMs: options.notBeforeMs ?? Date.now() - 60_000,
      notAfterMs: options.notAfterMs ?? Date.now() + 3_600_000,
      publicKeyInfo: publicKey.export({ type: 'spki', format: 'der' }),
      extensions: [
        ...(ca === 'left-out' ? [] : [basicConstraintsExtension({ ca })]),
        ...(bits === 'left-out' ? [] : [keyUsageExtension(bits, options.keyUsageCritical ?? true)]),
        ...(purposes === 'left-out'
          ? []
          : [extendedKeyUsageExtension(purposes.map((purpose) => Oid[purpose]))]),
        ...(names.length === 0 ? [] : [subjectAltNameExtension(names, options.namesCritical ?? true)]),
        ...(options.furtherExtensions ?? []),
      ],
    },
    issuer.key,
  );
  return {
    der,
    certificatePem: formatPem('CERTIFICATE', der),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    key: privateKey,
    name,
  };
}

/** A root that forged certificates can be signed with, valid whatever a test's clock says. For tests only. */
export function forgeRoot(commonName = 'forged root'): ForgedCertificate {
  return forgeCertificate({
    commonName,
    ca: true,
    purposes: 'left-out',
    notBeforeMs: Date.UTC(2000, 0, 1),
    notAfterMs: Date.UTC(2100, 0, 1),
  });
}

/** What an authority keeps to sign with, to forge in its name what it would not sign. For tests only. */
export function issuerFromPem(pems: { readonly certificatePem: string; readonly privateKeyPem: string }): {
  readonly key: KeyObject;
  readonly name: Buffer;
} {
  const der = parsePem(pems.certificatePem, 'CERTIFICATE')[0] as Buffer;
  return { key: createPrivateKey(pems.privateKeyPem), name: parseCertificate(der).subject };
}
