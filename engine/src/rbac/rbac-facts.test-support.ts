import { HeaderMap } from '../http/header-map.js';
import type { CertificateInfo, TlsInfo } from '../http/tls-info.js';
import { pathForMatching } from '../route/path-match.js';
import type { RbacFacts } from './rbac-facts.js';

/** What a test says of its request; the rest is ordinary. */
export interface KnownFacts extends Partial<Omit<RbacFacts, 'request' | 'path'>> {
  readonly method?: string;
  readonly authority?: string;
  readonly scheme?: string;
  /** With its query. */
  readonly path?: string;
  readonly headers?: HeaderMap;
}

/** The facts of a request. */
export function requestFacts(known: KnownFacts = {}): RbacFacts {
  const {
    method = 'GET',
    authority = 'shop',
    scheme = 'http',
    path = '/',
    headers = new HeaderMap(),
  } = known;
  return {
    ...connectionFacts(known),
    request: { method, authority, scheme, path, headers, version: 'HTTP/1.1', upgrade: '' },
    path: pathForMatching(path, false),
  };
}

/** The facts of a connection. */
export function connectionFacts(known: Partial<RbacFacts> = {}): RbacFacts {
  const { tls, serverName = '', remoteIp = '192.0.2.1', directRemoteIp = '192.0.2.2' } = known;
  const { destinationIp = '192.0.2.3', destinationPort = 8080, dynamicMetadata } = known;
  return {
    request: undefined,
    path: '',
    tls,
    serverName,
    remoteIp,
    directRemoteIp,
    destinationIp,
    destinationPort,
    dynamicMetadata,
  };
}

/** TLS with a peer of this SPIFFE ID; undefined: without a certificate. */
export function tlsOf(uri: string | undefined, more: Partial<CertificateInfo> = {}): TlsInfo {
  const peer: CertificateInfo = {
    uriSans: uri === undefined ? [] : [uri],
    dnsSans: [],
    subject: '',
    issuer: '',
    serialHex: '01',
    sha256Hex: '',
    notBeforeMs: 0,
    notAfterMs: 1,
    pem: () => '',
    ...more,
  };
  return {
    version: 'TLSv1.3',
    cipherSuite: 'TLS_AES_128_GCM_SHA256',
    serverName: '',
    applicationProtocol: '',
    resumed: false,
    peer: uri === undefined && Object.keys(more).length === 0 ? undefined : peer,
    local: undefined,
  };
}
