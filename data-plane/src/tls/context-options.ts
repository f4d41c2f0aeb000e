import { constants, createHash } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import type { TlsParametersConfig } from '@heddle/engine';
import type { TlsMaterial } from './context-secrets.js';
import type { CertificateSecret, Secret } from './secret.js';
import { isHttp2Protocol } from './transport.js';

/** Of TLS 1.3, which no configuration chooses. AES first: ChaCha20 costs twice as much where the processor has AES. */
const SUITES_13 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
/** Of TLS 1.2. Source: Envoy's defaults. */
const SUITES_12 = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];
/** Source: Envoy's defaults. Hybrid post-quantum groups cost a seventh more for each handshake: they are for `ecdh_curves` to ask for. */
const CURVES = ['X25519', 'P-256'];

/** What both sides' contexts are made with. A session or ticket key that outlives a context is never among it. */
export function contextOptions(
  parameters: TlsParametersConfig,
  certificates: readonly CertificateSecret[],
  trust: TlsMaterial['trust'],
): SecureContextOptions {
  const { cipherSuites, curves, signatureAlgorithms } = parameters;
  return {
    minVersion: parameters.minVersion,
    maxVersion: parameters.maxVersion,
    ciphers: [SUITES_13, ...(cipherSuites.length === 0 ? SUITES_12 : cipherSuites)].join(':'),
    ecdhCurve: (curves.length === 0 ? CURVES : curves).join(':'),
    ...(signatureAlgorithms.length === 0 ? {} : { sigalgs: signatureAlgorithms.join(':') }),
    cert: certificates.map(({ chainPem }) => chainPem),
    key: certificates.map(({ privateKey, password }) => ({
      pem: privateKey.reveal(),
      ...(password === undefined ? {} : { passphrase: password.reveal() }),
    })),
    // Left out, the roots that Node brings along would be trusted.
    ca: trust === undefined || trust.rootsPem === '' ? [] : [trust.rootsPem],
    ...(trust === undefined || trust.crlPem === '' ? {} : { crl: trust.crlPem }),
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    // Known to newer versions of Node: an authority in between may be trusted by itself, as in Envoy.
    ...({ allowPartialTrustChain: true } as object),
  };
}

const digests = new WeakMap<Secret, string>();

/** Tells materials apart. */
export function materialDigest(material: TlsMaterial): string {
  const { certificates, trust } = material;
  return [...certificates, ...(trust === undefined ? [] : [trust])].map(secretDigest).join();
}

function secretDigest(secret: Secret): string {
  let digest = digests.get(secret);
  if (digest === undefined) {
    // Keys stand in it by their own digest, which tells nothing of them.
    digest = createHash('sha256').update(JSON.stringify(secret)).digest('base64url');
    digests.set(secret, digest);
  }
  return digest;
}

/**
 * The list of protocols as the wire has it, so that it is not made anew for each connection.
 *
 * Source: RFC 7301 section 3.1.
 */
export function alpnBytes(protocols: readonly string[]): Uint8Array | undefined {
  if (protocols.length === 0) return undefined;
  return Buffer.concat(
    protocols.flatMap((protocol) => [Buffer.of(Buffer.byteLength(protocol)), Buffer.from(protocol)]),
  );
}

/** Protocols as HTTP may agree on them: what is not spoken here is neither offered nor chosen. */
export function withoutHttp2(protocols: readonly string[]): readonly string[] {
  return protocols.filter((protocol) => !isHttp2Protocol(protocol));
}
