import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { AuthorityStateError } from '../errors.js';
import { Oid } from '../der/object-identifier.js';
import { formatSpiffeId } from '../spiffe-id.js';
import {
  authorityKeyIdExtension,
  basicConstraintsExtension,
  distinguishedName,
  keyIdOf,
  keyUsageExtension,
  signCertificate,
  subjectAltNameExtension,
  subjectKeyIdExtension,
  uriName,
} from '../x509/certificate-builder.js';
import { KeyUsageBit, parseCertificate } from '../x509/certificate-fields.js';
import { formatPem, parsePem } from '../x509/pem.js';

/** A root with its key: what leaves are signed with. */
export interface SigningRoot {
  readonly certificatePem: string;
  readonly privateKey: KeyObject;
  /** The subject, as it stands as issuer in leaves. */
  readonly name: Buffer;
  /** The extension of leaves that names this root's key. */
  readonly authorityKeyId: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A root as it is stored. */
export interface StoredRoot {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/**
 * Makes a self-signed ECDSA P-256 root with the SPIFFE ID of its trust domain, which may sign leaves and no further
 * authorities.
 *
 * Source: X509-SVID section 3.2 and 4: cA, keyCertSign, no path in the SPIFFE ID.
 */
export function createRoot(options: {
  readonly trustDomain: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}): StoredRoot {
  const { trustDomain, notBeforeMs, notAfterMs } = options;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKeyInfo = publicKey.export({ type: 'spki', format: 'der' });
  const keyId = keyIdOf(publicKeyInfo);
  // Two roots of one name would make verifiers try the wrong one first, so the key is in the name.
  const name = distinguishedName(
    [Oid.organizationName, trustDomain.slice(0, 64)],
    [Oid.commonName, `Heddle root ${keyId.toString('hex', 0, 8)}`],
  );
  const der = signCertificate(
    {
      serial: randomBytes(16),
      issuer: name,
      subject: name,
      notBeforeMs,
      notAfterMs,
      publicKeyInfo,
      extensions: [
        basicConstraintsExtension({ ca: true, pathLength: 0 }),
        keyUsageExtension([KeyUsageBit.keyCertSign, KeyUsageBit.cRLSign]),
        subjectKeyIdExtension(keyId),
        authorityKeyIdExtension(keyId),
        subjectAltNameExtension([uriName(formatSpiffeId(trustDomain).uri)], false),
      ],
    },
    privateKey,
  );
  return {
    certificatePem: formatPem('CERTIFICATE', der),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/**
 * Makes a stored root ready to sign.
 *
 * Errors: AuthorityStateError where certificate and key cannot be read, or do not belong together.
 */
export function loadRoot(stored: StoredRoot): SigningRoot {
  try {
    const der = parsePem(stored.certificatePem, 'CERTIFICATE', { maxBlocks: 1 })[0] as Buffer;
    const fields = parseCertificate(der);
    const privateKey = createPrivateKey(stored.privateKeyPem);
    const publicKeyInfo = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
    if (!fields.publicKeyInfo.equals(publicKeyInfo))
      throw new AuthorityStateError('a root and its key differ');
    if (
      privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1' ||
      fields.basicConstraints?.ca !== true
    ) {
      throw new AuthorityStateError('a root is not an ECDSA P-256 authority');
    }
    return {
      certificatePem: stored.certificatePem,
      privateKey,
      name: fields.subject,
      authorityKeyId: authorityKeyIdExtension(fields.subjectKeyId ?? keyIdOf(publicKeyInfo)),
      notBeforeMs: fields.notBeforeMs,
      notAfterMs: fields.notAfterMs,
    };
  } catch (error) {
    if (error instanceof AuthorityStateError) throw error;
    throw new AuthorityStateError('a stored root cannot be read', { cause: error });
  }
}
