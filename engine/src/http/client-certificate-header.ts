import type { ClientCertificateConfig } from '../config/http-connection-manager-config.js';
import type { RequestHead } from './message-head.js';
import type { CertificateInfo, TlsInfo } from './tls-info.js';

const HEADER = 'x-forwarded-client-cert';

/** The connection by which a request came, as far as it tells of its client's certificate. */
export interface ClientCertificateSource {
  readonly tls: TlsInfo | undefined;
  /** Made once by `clientCertificateText`, where anything is said. */
  readonly clientCertificateText?: string;
}

/**
 * What `x-forwarded-client-cert` says of the client of one connection: made once, and empty where nothing is to be said.
 *
 * Source: Envoy's `mutateXfccRequestHeader`. Names of certificates are printable, or the certificate would have been refused; those with
 * what separates parts of the field are quoted, so that nobody's name can stand for another part.
 */
export function clientCertificateText(
  tls: TlsInfo | undefined,
  config: ClientCertificateConfig | undefined,
): string {
  const peer = tls?.peer;
  if (peer === undefined || config === undefined) return '';
  if (config.forward !== 'sanitize-set' && config.forward !== 'append-forward') return '';
  const parts = (tls?.local?.uriSans ?? []).map((uri) => `By=${plainOrQuoted(uri)}`);
  parts.push(`Hash=${peer.sha256Hex}`);
  for (const detail of config.details) parts.push(...detailParts(peer, detail));
  return parts.join(';');
}

function detailParts(
  peer: CertificateInfo,
  detail: ClientCertificateConfig['details'][number],
): readonly string[] {
  switch (detail) {
    case 'cert':
      return [`Cert="${encodeURIComponent(peer.pem())}"`];
    case 'subject':
      return [`Subject=${quoted(peer.subject)}`];
    case 'uri':
      return peer.uriSans.length === 0 ? ['URI='] : peer.uriSans.map((uri) => `URI=${plainOrQuoted(uri)}`);
    case 'dns':
      return peer.dnsSans.map((name) => `DNS=${plainOrQuoted(name)}`);
  }
}

/** Leaves in a request only what may be said of its client's certificate, before any filter sees it. */
export function forwardClientCertificate(
  { headers }: RequestHead,
  info: ClientCertificateSource,
  config: ClientCertificateConfig | undefined,
): void {
  const forward = config?.forward ?? 'sanitize';
  if (forward === 'always-forward-only') return;
  // Nothing but a certificate of this very connection may speak for the client, or let it speak for others.
  if (forward === 'sanitize' || info.tls?.peer === undefined) {
    headers.remove(HEADER);
    return;
  }
  const text = info.clientCertificateText ?? '';
  if (forward === 'forward-only' || text === '') return;
  const before = forward === 'append-forward' ? headers.joined(HEADER) : undefined;
  headers.set(HEADER, before === undefined ? text : `${before},${text}`);
}

const NEEDS_QUOTES = /[,;="\\ ]/;

function plainOrQuoted(text: string): string {
  return NEEDS_QUOTES.test(text) ? quoted(text) : text;
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '\\"')}"`;
}
