import type { ResponseHead } from '@heddle/engine';
import { FieldWalk, NO_LENGTH, TransferCoding } from './field-walk.js';
import type { HeadScan } from './head-scan.js';
import { badRequest, type ParseFailure } from './parse-failure.js';
import { CHUNKED } from './request-head.js';

/** The body goes on until the connection ends. */
export const UNTIL_CLOSE = -2;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: |$)/;

/**
 * Makes a response head of a scanned one.
 *
 * Shape: one instance is reused for every message of its thread; after `read` returned undefined, `head`, `bodyLength`
 * (bytes, `CHUNKED` or `UNTIL_CLOSE`) and `keepAlive` are set.
 * Errors: returned; every one is a protocol error of the server.
 */
export class ResponseHeadReader {
  readonly #walk = new FieldWalk();
  head: ResponseHead | undefined;
  bodyLength = 0;
  keepAlive = true;

  /** `method` is that of the request which this answers. */
  read(scan: HeadScan, method: string): ParseFailure | undefined {
    const { text, startLineLength } = scan;
    let isHttp11 = true;
    let status: number;
    if (text.startsWith('HTTP/1.1 200 OK\r')) {
      status = 200;
    } else {
      const parts = STATUS_LINE.exec(text.substring(0, startLineLength));
      if (parts === null) return badRequest('the first line is not a status line');
      isHttp11 = parts[1] === '1';
      status = Number(parts[2]);
    }
    const walk = this.#walk;
    const failure = walk.walk(scan, 'allow', false);
    if (failure !== undefined) return failure;
    this.keepAlive = isHttp11 ? !walk.connectionClose : walk.connectionKeepAlive && !walk.connectionClose;
    const bodyless =
      status < 200 ||
      status === 204 ||
      status === 304 ||
      method === 'HEAD' ||
      (method === 'CONNECT' && status < 300);
    if (walk.transferCoding === TransferCoding.Unsupported) {
      return badRequest('transfer-encoding is not "chunked"', 'http1.invalid_transfer_encoding');
    }
    if (walk.transferCoding === TransferCoding.Chunked) {
      if (!isHttp11) {
        return badRequest('transfer-encoding in an HTTP/1.0 response', 'http1.invalid_transfer_encoding');
      }
      if (status < 200 || status === 204) {
        return badRequest(`transfer-encoding in a ${status}`, 'http1.transfer_encoding_not_allowed');
      }
      // Two readers may cut such a connection in two ways: refused, as Envoy does (RFC 9112 section 6.3).
      if (walk.contentLength !== NO_LENGTH) {
        return badRequest(
          'both content-length and transfer-encoding',
          'http1.content_length_and_chunked_not_allowed',
        );
      }
      this.bodyLength = CHUNKED;
    } else {
      this.bodyLength = walk.contentLength === NO_LENGTH ? UNTIL_CLOSE : walk.contentLength;
    }
    if (bodyless) {
      this.bodyLength = 0;
      if (status < 200 || status === 204) walk.headers.remove('content-length');
    }
    this.head = { status, headers: walk.headers, upgrade: status === 101 ? walk.upgrade : '' };
    return undefined;
  }
}
