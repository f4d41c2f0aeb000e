import { isIpAddress } from '../address/ip-address.js';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.js';
import { forwardClientCertificate, type ClientCertificateSource } from './client-certificate-header.js';
import type { HeaderMap } from './header-map.js';
import { EDGE_HEADERS, INTERNAL_HEADERS } from './header-names.js';
import type { InternalAddresses } from './internal-addresses.js';
import { LOCAL_REPLY, redirect, type LocalReply } from './local-reply.js';
import type { RequestHead } from './message-head.js';
import { normalizePath } from './path-normalization.js';
import { newRequestId } from './request-id.js';
import type { StreamInfo } from './stream-info.js';

/** What of a stream is read and written while its request is made ready. */
export interface PreparedStream {
  readonly protocol: StreamInfo['protocol'];
  readonly connectionInfo: ClientCertificateSource & {
    readonly remoteIp: string;
    /** `host:port`. */
    readonly localAddress: string;
  };
  /** The client's address as x-forwarded-for tells it, when that is trusted; empty when it is the direct one. */
  trustedClientIp: string;
  requestId: string;
  /** Whether the request is internal: what its `x-envoy-*` fields ask for is done. */
  trustsEnvoyHeaders: boolean;
}

/**
 * Makes a request what every filter and policy may rely on, before any of them sees it: host and path in their one form.
 *
 * Returns the answer to a request that cannot be served.
 */
export function normalizeRequest(
  head: RequestHead,
  info: PreparedStream,
  config: HttpConnectionManagerConfig,
): LocalReply | undefined {
  if (head.authority === '' && info.protocol === 'HTTP/1.0') head.authority = config.defaultHostForHttp10;
  if (head.authority === '') return LOCAL_REPLY.missingHost;
  if (config.stripAnyHostPort || config.stripMatchingHostPort || config.stripTrailingHostDot) {
    head.authority = stripHost(head.authority, info.connectionInfo.localAddress, config);
  }
  if (head.path.charCodeAt(0) !== 0x2f) {
    return head.method === 'CONNECT' || (head.method === 'OPTIONS' && head.path === '*')
      ? undefined
      : LOCAL_REPLY.relativePath;
  }
  const { normalizePath: normalizes, mergeSlashes, pathWithEscapedSlashesAction } = config;
  if (!normalizes && !mergeSlashes && pathWithEscapedSlashesAction === 'keep-unchanged') return undefined;
  const normal = normalizePath(head.path, config);
  switch (normal.kind) {
    case 'unchanged':
      return undefined;
    case 'changed':
      head.path = normal.path;
      return undefined;
    case 'redirect':
      return redirect(307, normal.path);
    case 'refused':
      return LOCAL_REPLY.invalidPath;
  }
}

const PORT = /:(\d+)$/;

function stripHost(authority: string, localAddress: string, config: HttpConnectionManagerConfig): string {
  const found = PORT.exec(authority);
  let host = found === null ? authority : authority.slice(0, found.index);
  let port = found === null ? '' : (found[0] as string);
  if (config.stripAnyHostPort || (config.stripMatchingHostPort && port !== '' && localAddress.endsWith(port)))
    port = '';
  if (config.stripTrailingHostDot && host.endsWith('.')) host = host.slice(0, -1);
  return host + port;
}

/**
 * Sets and removes the fields that tell of the way a request came: x-forwarded-for and -proto, x-request-id, via and Envoy's own.
 *
 * Source: Envoy's `ConnectionManagerUtility::mutateRequestHeaders`.
 */
export function prepareRequestHeaders(
  head: RequestHead,
  info: PreparedStream,
  config: HttpConnectionManagerConfig,
  internalOnlyHeaders: readonly string[],
  internalAddresses?: InternalAddresses,
): void {
  const { headers } = head;
  const { connectionInfo } = info;
  const isInternal =
    internalAddresses !== undefined && isInternalRequest(headers, info, config, internalAddresses);
  const scheme = connectionInfo.tls !== undefined ? 'https' : 'http';
  if (config.useRemoteAddress) {
    let clientIp = connectionInfo.remoteIp;
    if (config.xffNumTrustedHops > 0) {
      clientIp = forwardedAddress(headers, config.xffNumTrustedHops - 1) ?? clientIp;
      if (!headers.has('x-forwarded-proto')) headers.append('x-forwarded-proto', scheme);
    } else {
      headers.set('x-forwarded-proto', scheme);
    }
    if (!config.skipXffAppend) appendForwardedFor(headers, connectionInfo.remoteIp);
    if (!isInternal) {
      for (const name of EDGE_HEADERS) headers.remove(name);
      headers.set('x-envoy-external-address', clientIp);
    }
    if (clientIp !== connectionInfo.remoteIp) info.trustedClientIp = clientIp;
  } else {
    const clientIp = forwardedAddress(headers, config.xffNumTrustedHops);
    if (clientIp !== undefined) info.trustedClientIp = clientIp;
    if (!headers.has('x-forwarded-proto')) headers.append('x-forwarded-proto', scheme);
  }
  forwardClientCertificate(head, connectionInfo, config.clientCertificate);
  info.trustsEnvoyHeaders = isInternal;
  if (isInternal) headers.set('x-envoy-internal', 'true');
  else {
    headers.remove('x-envoy-internal');
    if (hasEnvoyHeader(headers)) {
      for (let i = 0; i < INTERNAL_HEADERS.length; i++) headers.remove(INTERNAL_HEADERS[i] as string);
    }
    for (let i = 0; i < internalOnlyHeaders.length; i++) headers.remove(internalOnlyHeaders[i] as string);
  }
  const forwardedProto = headers.get('x-forwarded-proto');
  if (forwardedProto === 'https' || forwardedProto === 'http') head.scheme = forwardedProto;
  prepareRequestId(headers, info, config, !isInternal);
  if (config.via !== '') appendVia(headers, config.via);
}

/**
 * Whether a request comes from within: x-forwarded-for names one address, or would after this proxy has added its own, and that
 * one is internal. To be asked before anything is added.
 */
function isInternalRequest(
  headers: HeaderMap,
  { connectionInfo }: PreparedStream,
  config: HttpConnectionManagerConfig,
  addresses: InternalAddresses,
): boolean {
  const forwardedFor = headers.joined('x-forwarded-for');
  if (config.useRemoteAddress) return forwardedFor === undefined && addresses.hasPeer(connectionInfo);
  return (
    forwardedFor !== undefined &&
    config.xffNumTrustedHops === 0 &&
    !forwardedFor.includes(',') &&
    addresses.has(forwardedFor.trim())
  );
}

/** One look at the names instead of one for each of `INTERNAL_HEADERS`, which all begin so. */
function hasEnvoyHeader({ names }: HeaderMap): boolean {
  for (let i = 0; i < names.length; i++) {
    if ((names[i] as string).startsWith('x-envoy-')) return true;
  }
  return false;
}

/** The address that is `fromLast` places before the last of x-forwarded-for. */
function forwardedAddress(headers: HeaderMap, fromLast: number): string | undefined {
  const value = headers.joined('x-forwarded-for');
  if (value === undefined) return undefined;
  const comma = value.indexOf(',');
  if (comma === -1) return fromLast === 0 ? addressOf(value) : undefined;
  return addressOf(value.split(',').at(-1 - fromLast));
}

function addressOf(text: string | undefined): string | undefined {
  const address = text?.trim();
  return address === undefined || !isIpAddress(address) ? undefined : address;
}

function appendForwardedFor(headers: HeaderMap, address: string): void {
  const before = headers.joined('x-forwarded-for');
  headers.set('x-forwarded-for', before === undefined ? address : `${before},${address}`);
}

function prepareRequestId(
  headers: HeaderMap,
  info: PreparedStream,
  config: HttpConnectionManagerConfig,
  isExternal: boolean,
): void {
  let id = headers.get('x-request-id');
  if (
    config.generateRequestId &&
    (id === undefined || (config.useRemoteAddress && isExternal && !config.preserveExternalRequestId))
  ) {
    id = newRequestId();
    headers.set('x-request-id', id);
  }
  info.requestId = id ?? '';
}

export function appendVia(headers: HeaderMap, via: string): void {
  const before = headers.joined('via');
  headers.set('via', before === undefined ? via : `${before}, ${via}`);
}
