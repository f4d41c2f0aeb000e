import type { RequestHead } from '@heddle/engine';
import { FieldWalk, NO_LENGTH, TransferCoding, type UnderscoresAction } from './field-walk.js';
import type { HeadLimits, HeadScan } from './head-scan.js';
import { badRequest, type ParseFailure } from './parse-failure.js';
import { isAuthority, parseRequestTarget } from './request-target.js';

/** How strict requests are read. Source: Envoy's Http1ProtocolOptions and HttpConnectionManager. */
export interface RequestHeadOptions extends HeadLimits {
  readonly acceptHttp10: boolean;
  readonly allowAbsoluteUrl: boolean;
  readonly allowChunkedLength: boolean;
  readonly headersWithUnderscoresAction: UnderscoresAction;
  /** Of the connection: an absolute target may say otherwise. */
  readonly scheme: string;
}

/** Content-Length is not known beforehand: the body is chunked. */
export const CHUNKED = -1;

/** The methods that Envoy knows; it refuses all others. */
const METHODS: ReadonlyMap<string, string> = new Map(
  (
    'GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH MERGE MKACTIVITY ' +
    'MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE REBIND REPORT SEARCH SOURCE SUBSCRIBE UNBIND UNLINK UNLOCK ' +
    'UNSUBSCRIBE'
  )
    .split(' ')
    .map((method) => [method, method]),
);

const VERSION_LENGTH = ' HTTP/1.1'.length;

/**
 * Makes a request head of a scanned one.
 *
 * Shape: one instance is reused for every message of its thread; after `read` returned undefined, `head`, `bodyLength`
 * (bytes, or `CHUNKED`) and `keepAlive` are set.
 * Errors: returned, with the status that Envoy answers.
 */
export class RequestHeadReader {
  readonly #walk = new FieldWalk();
  head: RequestHead | undefined;
  bodyLength = 0;
  keepAlive = true;

  read(scan: HeadScan, options: RequestHeadOptions): ParseFailure | undefined {
    const { text, startLineLength } = scan;
    const methodEnd = text.indexOf(' ');
    const targetEnd = startLineLength - VERSION_LENGTH;
    if (methodEnd < 1 || targetEnd <= methodEnd + 1)
      return badRequest('the first line is not a request line');
    if (!text.startsWith(' HTTP/', targetEnd)) return badRequest('the first line has no HTTP version');
    const target = text.substring(methodEnd + 1, targetEnd);
    if (target.includes(' ')) return badRequest('the request target has a space');
    const method = METHODS.get(text.substring(0, methodEnd));
    if (method === undefined) return badRequest('the method is not known', 'http1.invalid_method');
    let isHttp11 = true;
    if (!text.startsWith('1.1', targetEnd + 6)) {
      isHttp11 = false;
      const isHttp10 = text.startsWith('1.0', targetEnd + 6);
      if (!isHttp10 && !/^[0-9]\.[0-9]$/.test(text.substring(targetEnd + 6, startLineLength))) {
        return badRequest('the first line has no HTTP version');
      }
      if (!isHttp10 || !options.acceptHttp10) {
        return { status: 426, details: 'low_version', reason: 'the HTTP version is not accepted' };
      }
    }
    const walk = this.#walk;
    const failure = walk.walk(scan, options.headersWithUnderscoresAction, true);
    if (failure !== undefined) return failure;

    let path = target;
    let authority = walk.host;
    let scheme = options.scheme;
    if (walk.hostCount !== 1) {
      if (walk.hostCount > 1) return badRequest('more than one host header', 'http1.duplicate_host');
      if (isHttp11) return { ...badRequest('no host header', 'missing_host_header'), body: '' };
    } else if (!isAuthority(authority)) {
      return badRequest('the host header is not a host and port', 'http.invalid_authority');
    }
    if (target.charCodeAt(0) !== 47 || method === 'CONNECT') {
      const parts = parseRequestTarget(method, target, options.allowAbsoluteUrl);
      if (parts === undefined)
        return badRequest('the request target is not a path or a URL', 'http1.invalid_url');
      path = parts.path;
      if (parts.authority !== undefined) authority = parts.authority;
      if (parts.scheme !== undefined) scheme = parts.scheme;
    }
    if (path.includes('#'))
      return { ...badRequest('the path has a fragment', 'path_normalization_failed'), body: '' };

    this.bodyLength = walk.contentLength === NO_LENGTH ? 0 : walk.contentLength;
    this.keepAlive = isHttp11 ? !walk.connectionClose : walk.connectionKeepAlive && !walk.connectionClose;
    if (walk.transferCoding !== TransferCoding.None) {
      const refused = this.#applyTransferCoding(isHttp11, method, options);
      if (refused !== undefined) return refused;
    }
    this.head = {
      method,
      scheme,
      authority,
      path,
      headers: walk.headers,
      version: isHttp11 ? 'HTTP/1.1' : 'HTTP/1.0',
      // A request with a body of its own stays a plain request.
      upgrade: this.bodyLength === 0 && isHttp11 ? walk.upgrade : '',
    };
    return undefined;
  }

  #applyTransferCoding(
    isHttp11: boolean,
    method: string,
    options: RequestHeadOptions,
  ): ParseFailure | undefined {
    const walk = this.#walk;
    if (walk.transferCoding === TransferCoding.Unsupported) {
      return {
        status: 501,
        details: 'http1.invalid_transfer_encoding',
        reason: 'transfer-encoding is not "chunked"',
      };
    }
    if (!isHttp11) {
      return badRequest('transfer-encoding in an HTTP/1.0 request', 'http1.invalid_transfer_encoding');
    }
    if (method === 'CONNECT') {
      return badRequest('transfer-encoding in a CONNECT request', 'http1.transfer_encoding_not_allowed');
    }
    if (walk.contentLength !== NO_LENGTH) {
      if (!options.allowChunkedLength) {
        return badRequest(
          'both content-length and transfer-encoding',
          'http1.content_length_and_chunked_not_allowed',
        );
      }
      walk.headers.remove('content-length');
      this.keepAlive = false;
    }
    this.bodyLength = CHUNKED;
    return undefined;
  }
}
