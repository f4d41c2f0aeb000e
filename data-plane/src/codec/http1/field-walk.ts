import { HeaderMap } from '@heddle/engine';
import type { HeadScan } from './head-scan.js';
import { FieldKind, headerName, type HeaderName } from './header-name.js';
import { badRequest, type ParseFailure } from './parse-failure.js';

/** Envoy's HttpProtocolOptions.headers_with_underscores_action. */
export type UnderscoresAction = 'allow' | 'reject-request' | 'drop-header';

/** How many places of a message remember the name they had. */
const MOST_PLACES = 32;
const NO_NAME = headerName('host');

/** No Content-Length was given. */
export const NO_LENGTH = -1;

/** How the Transfer-Encoding fields of one message read. */
export const TransferCoding = { None: 0, Chunked: 1, Unsupported: 2 } as const;

/**
 * Turns scanned fields into a header map without the hop-by-hop fields, and keeps what those said.
 *
 * Shape: one instance is reused for every message of its thread; read it before the next walk.
 * Source: RFC 9110 section 7.6.1; RFC 9112 sections 6.1 to 6.3, 9.3.
 */
export class FieldWalk {
  headers = new HeaderMap();
  hostCount = 0;
  host = '';
  contentLength = NO_LENGTH;
  transferCoding: number = TransferCoding.None;
  connectionClose = false;
  connectionKeepAlive = false;
  /** Lower-case token of an Upgrade field that Connection names too, or empty. */
  upgrade = '';
  /** The names of the message before, by their place: the next message nearly always has the same ones there. */
  readonly #names: HeaderName[] = [];

  /** Walks the fields of `scan`. Returns why the message must not be passed on, or undefined. */
  walk(scan: HeadScan, underscores: UnderscoresAction, isRequest: boolean): ParseFailure | undefined {
    const headers = new HeaderMap();
    this.headers = headers;
    this.hostCount = 0;
    this.host = '';
    this.contentLength = NO_LENGTH;
    this.transferCoding = TransferCoding.None;
    this.connectionClose = false;
    this.connectionKeepAlive = false;
    this.upgrade = '';
    let connection = '';
    let upgrade = '';
    let te = '';
    let http2Settings = '';
    const { offsets, text, fieldCount } = scan;
    for (let i = 0, at = 0; i < fieldCount; i++, at += 4) {
      const start = offsets[at] as number;
      const length = (offsets[at + 1] as number) - start;
      let field = this.#names[i] ?? NO_NAME;
      if (field.raw.length !== length || !text.startsWith(field.raw, start)) {
        field = headerName(text.substring(start, start + length));
        // Others hold on to the message that they were cut from.
        if (field.isKept && i < MOST_PLACES) this.#names[i] = field;
      }
      const value = text.substring(offsets[at + 2] as number, offsets[at + 3] as number);
      if (field.hasUnderscore && underscores !== 'allow') {
        if (underscores === 'drop-header') continue;
        return badRequest(`the header name ${field.name} has an underscore`, 'http1.unexpected_underscore');
      }
      switch (field.kind) {
        case FieldKind.Ordinary:
          headers.append(field.name, value, field.raw);
          break;
        case FieldKind.Host:
          if (isRequest) {
            this.hostCount++;
            this.host = value;
          } else {
            headers.append(field.name, value, field.raw);
          }
          break;
        case FieldKind.ContentLength: {
          // Equal repetitions are refused too, as Envoy does.
          if (this.contentLength !== NO_LENGTH) return badContentLength('more than one content-length');
          const length = parseContentLength(value);
          if (length === NO_LENGTH) return badContentLength('content-length is not a number');
          this.contentLength = length;
          headers.append(field.name, value, field.raw);
          break;
        }
        case FieldKind.TransferEncoding:
          // Two fields are one list, "chunked, chunked", which nobody may send.
          this.transferCoding =
            this.transferCoding === TransferCoding.None && value.toLowerCase() === 'chunked'
              ? TransferCoding.Chunked
              : TransferCoding.Unsupported;
          break;
        case FieldKind.Connection:
          connection = connection === '' ? value : `${connection},${value}`;
          break;
        case FieldKind.Upgrade:
          upgrade = upgrade === '' ? value : `${upgrade},${value}`;
          break;
        case FieldKind.Te:
          te = te === '' ? value : `${te},${value}`;
          break;
        case FieldKind.Http2Settings:
          http2Settings = value;
          break;
        default:
          break;
      }
    }
    headers.markChecked();
    if (connection !== '') this.#applyConnection(connection, upgrade);
    if (te !== '' && listHas(te, 'trailers')) headers.append('te', 'trailers');
    if (http2Settings !== '' && this.upgrade !== '') headers.append('http2-settings', http2Settings);
    return undefined;
  }

  #applyConnection(connection: string, upgrade: string): void {
    // What nearly every server says, told apart without cutting the list up.
    if (connection === 'keep-alive') {
      this.connectionKeepAlive = true;
      return;
    }
    for (const option of connection.split(',')) {
      const token = option.trim().toLowerCase();
      switch (token) {
        case '':
        case 'te':
        case 'http2-settings':
          break;
        case 'close':
          this.connectionClose = true;
          break;
        case 'keep-alive':
          this.connectionKeepAlive = true;
          break;
        case 'upgrade':
          // An upgrade to HTTP/2 without TLS is ignored: RFC 9113 section 3.1 has deprecated it.
          if (!listHas(upgrade, 'h2c')) this.upgrade = upgrade.trim().toLowerCase();
          break;
        default:
          if (!isProtected(token)) this.headers.remove(token);
      }
    }
  }
}

/** Fields that the proxy itself relies on: `Connection` cannot make it drop them (CVE-2022-31813 and its kind). */
function isProtected(name: string): boolean {
  return (
    name.startsWith('x-forwarded-') ||
    name.startsWith('x-envoy-') ||
    name.startsWith('x-heddle-') ||
    name.startsWith(':') ||
    PROTECTED.has(name)
  );
}

const PROTECTED: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'content-type',
  'forwarded',
  'via',
  'x-request-id',
  'x-real-ip',
  'traceparent',
  'tracestate',
  'authorization',
  'cookie',
  'date',
  'set-cookie',
  'grpc-timeout',
]);

function listHas(list: string, token: string): boolean {
  if (list === token) return true;
  for (const item of list.split(',')) {
    const semicolon = item.indexOf(';');
    if ((semicolon === -1 ? item : item.slice(0, semicolon)).trim().toLowerCase() === token) return true;
  }
  return false;
}

/** Digits alone, and a number that JavaScript holds exactly; else `NO_LENGTH`. */
function parseContentLength(value: string): number {
  if (value.length === 0 || value.length > 15) return NO_LENGTH;
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return NO_LENGTH;
    length = length * 10 + digit;
  }
  return length;
}

function badContentLength(reason: string): ParseFailure {
  return badRequest(reason, 'http1.invalid_content_length');
}
