import { HeaderMap, type RequestHead, type ResponseHead } from '@heddle/engine';
import type { UnderscoresAction } from '../http1/field-walk.js';
import { isAuthority } from '../http1/request-target.js';
import { FieldRole, type FieldName } from './field-name.js';
import { ENTRY_OVERHEAD, type FieldSink } from './hpack-decoder.js';

/** How large the fields of one message may be. */
export interface FieldLimits {
  /** Names and values, as decoded, with 32 bytes for each field. */
  readonly maxHeadersBytes: number;
  readonly maxHeadersCount: number;
  readonly underscores: UnderscoresAction;
}

/** Why a message must not be passed on: Envoy's code detail, and plain English. */
export interface FieldFailure {
  readonly details: string;
  readonly reason: string;
}

const MESSAGING = 'http2.violation.of.messaging.rule';
const INVALID_FIELD = 'http2.invalid.header.field';
const TOO_MANY = 'http2.too_many_headers';

/** No Content-Length was given. */
export const NO_LENGTH = -1;

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+\-.]*$/;
const STATUS = /^[1-9][0-9]{2}$/;
const LENGTH = /^[0-9]{1,15}$/;
/** Visible ASCII alone: anything else could end a request line (CVE-2023-27491). */
const TARGET = /^[\x21-\x7e]+$/;

/** Fields that must not come as trailers. Source: RFC 9110 section 6.5.1. */
const NOT_TRAILERS: ReadonlySet<string> = new Set([
  'content-length',
  'host',
  'authorization',
  'content-encoding',
  'content-type',
  'te',
]);

/**
 * Gathers the fields of one header block, and makes a head or trailers of them.
 *
 * Source: RFC 9113 section 8. Shape: one instance serves a whole thread: `begin`, the decoder, then one of the three that make
 * something of it, which return why they cannot.
 */
export class FieldSection implements FieldSink {
  headers = new HeaderMap();
  contentLength = NO_LENGTH;
  /** A field was left out for its name. */
  droppedFields = 0;
  #limits: FieldLimits = { maxHeadersBytes: 0, maxHeadersCount: 0, underscores: 'allow' };
  #failure: FieldFailure | undefined;
  #isTooLarge = false;
  #bytes = 0;
  #count = 0;
  #hasRegular = false;
  #method = '';
  #scheme = '';
  #authority: string | undefined;
  #path = '';
  #protocol = '';
  #status = '';
  #host: string | undefined;
  #cookie = '';
  #cookieAt = -1;
  /** By role, the pseudo-headers that were there. */
  #seen = 0;

  begin(limits: FieldLimits): void {
    this.headers = new HeaderMap();
    this.contentLength = NO_LENGTH;
    this.droppedFields = 0;
    this.#limits = limits;
    this.#failure = undefined;
    this.#isTooLarge = false;
    this.#bytes = 0;
    this.#count = 0;
    this.#hasRegular = false;
    this.#method = '';
    this.#scheme = '';
    this.#authority = undefined;
    this.#path = '';
    this.#protocol = '';
    this.#status = '';
    this.#host = undefined;
    this.#cookie = '';
    this.#cookieAt = -1;
    this.#seen = 0;
  }

  /** What the fields take, decoded. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a limit was passed. */
  get isTooLarge(): boolean {
    return this.#isTooLarge;
  }

  /** The message must not be passed on, whatever its fields are. */
  refuse(reason: string): void {
    this.#fail(MESSAGING, reason);
  }

  onField(name: FieldName, value: string, isValid: boolean): void {
    this.#bytes += name.name.length + value.length + ENTRY_OVERHEAD;
    // As decoded: a byte can stand for kilobytes (CVE-2026-47774 and its kind).
    if (this.#bytes > this.#limits.maxHeadersBytes) this.#isTooLarge = true;
    if (this.#isTooLarge || this.#failure !== undefined) return;
    if (!isValid) {
      this.#fail(INVALID_FIELD, `the value of ${printable(name.name)} has a byte that no field may have`);
      return;
    }
    const { role } = name;
    if (role === FieldRole.Ordinary) {
      this.#hasRegular = true;
      if (name.hasUnderscore && this.#refusesUnderscore(name.name)) return;
      this.#append(name.name, value);
    } else if (role <= FieldRole.Status) {
      this.#pseudo(role, value);
    } else {
      this.#hasRegular = true;
      this.#special(name, value);
    }
  }

  /** `scheme`: of the connection. `isTunnelling`: whether extended CONNECT was offered. */
  toRequest(scheme: string, isTunnelling: boolean): RequestHead | FieldFailure {
    const failure = this.#finish(FieldRole.Status);
    if (failure !== undefined) return failure;
    const method = this.#method;
    const isConnect = method === 'CONNECT';
    if (!METHOD.test(method)) return failed(MESSAGING, 'there is no :method, or it is not a token');
    const hasProtocol = this.#has(FieldRole.Protocol);
    if (hasProtocol && (!isConnect || !isTunnelling || !METHOD.test(this.#protocol))) {
      return failed(MESSAGING, ':protocol is only for CONNECT, where it was offered');
    }
    if (isConnect && !hasProtocol) {
      if (this.#has(FieldRole.Path) || this.#has(FieldRole.Scheme)) {
        return failed(MESSAGING, 'a CONNECT request has :path or :scheme');
      }
    } else {
      if (!TARGET.test(this.#path))
        return failed(MESSAGING, 'there is no :path, or it has a byte that no path has');
      if (!SCHEME.test(this.#scheme)) return failed(MESSAGING, 'there is no :scheme, or it is none');
      if (this.#path.includes('#')) return failed(MESSAGING, 'the :path has a fragment');
    }
    // Source: RFC 9113 section 8.3.1: without :authority the host header stands in; where they differ :authority counts.
    const authority = this.#authority ?? this.#host ?? '';
    if ((authority !== '' || isConnect) && !isAuthority(authority)) {
      return failed(INVALID_FIELD, ':authority is not a host and port');
    }
    return {
      // A tunnel for another protocol is asked for by GET in HTTP/1.1, and so above the codecs.
      method: hasProtocol ? 'GET' : method,
      scheme:
        this.#scheme === 'http' || this.#scheme === 'https'
          ? this.#scheme
          : knownScheme(this.#scheme, scheme),
      authority,
      path: this.#path,
      headers: this.headers,
      version: 'HTTP/2',
      upgrade: hasProtocol ? this.#protocol.toLowerCase() : '',
    };
  }

  toResponse(): ResponseHead | FieldFailure {
    const failure = this.#finish(0);
    if (failure !== undefined) return failure;
    if ((this.#seen & ~(1 << FieldRole.Status)) !== 0) {
      return failed(MESSAGING, 'a response has a pseudo-header of requests');
    }
    if (!STATUS.test(this.#status)) return failed(MESSAGING, 'there is no :status, or it is none');
    const status = Number(this.#status);
    if (status === 101) return failed(MESSAGING, 'HTTP/2 has no status 101');
    if (status < 200 || status === 204) {
      this.contentLength = NO_LENGTH;
      this.headers.remove('content-length');
    }
    return { status, headers: this.headers, upgrade: '' };
  }

  toTrailers(): HeaderMap | FieldFailure {
    const failure = this.#finish(0);
    if (failure !== undefined) return failure;
    if (this.#seen !== 0) return failed(MESSAGING, 'trailers have a pseudo-header');
    return this.headers;
  }

  #finish(otherRole: number): FieldFailure | undefined {
    if (this.#isTooLarge) return failed(TOO_MANY, 'the fields are above the limit');
    if (this.#failure !== undefined) return this.#failure;
    if (otherRole !== 0 && this.#has(otherRole)) {
      return failed(MESSAGING, 'a request has a pseudo-header of responses');
    }
    if (this.#cookieAt !== -1) this.headers.values[this.#cookieAt] = this.#cookie;
    this.headers.markChecked();
    return undefined;
  }

  #has(role: number): boolean {
    return (this.#seen & (1 << role)) !== 0;
  }

  #append(name: string, value: string): void {
    if (++this.#count > this.#limits.maxHeadersCount) this.#isTooLarge = true;
    else this.headers.append(name, value);
  }

  #pseudo(role: number, value: string): void {
    if (this.#hasRegular || this.#has(role)) {
      this.#fail(MESSAGING, 'a pseudo-header comes twice, or after a field');
      return;
    }
    this.#seen |= 1 << role;
    switch (role) {
      case FieldRole.Method:
        this.#method = value;
        return;
      case FieldRole.Scheme:
        this.#scheme = value;
        return;
      case FieldRole.Authority:
        this.#authority = value;
        return;
      case FieldRole.Path:
        this.#path = value;
        return;
      case FieldRole.Protocol:
        this.#protocol = value;
        return;
      default:
        this.#status = value;
    }
  }

  #special(name: FieldName, value: string): void {
    switch (name.role) {
      case FieldRole.Te:
        // Source: RFC 9113 section 8.2.2.
        if (value === 'trailers') this.#append('te', value);
        else this.#fail(MESSAGING, 'te is not "trailers"');
        return;
      case FieldRole.ContentLength:
        if (this.contentLength !== NO_LENGTH || !LENGTH.test(value)) {
          this.#fail(MESSAGING, 'content-length comes twice, or is not a number');
          return;
        }
        this.contentLength = Number(value);
        this.#append(name.name, value);
        return;
      case FieldRole.Cookie:
        // Source: RFC 9113 section 8.2.3: what was cut into fields is one again.
        if (this.#cookieAt === -1) {
          this.#cookieAt = this.headers.length;
          this.#cookie = value;
          this.#append(name.name, value);
        } else {
          this.#cookie += `; ${value}`;
        }
        return;
      case FieldRole.Host:
        if (this.#host !== undefined) this.#fail(MESSAGING, 'host comes twice');
        else this.#host = value;
        return;
      case FieldRole.Forbidden:
        this.#fail(MESSAGING, `${name.name} must not be used in HTTP/2`);
        return;
      default:
        this.#fail(INVALID_FIELD, `${printable(name.name)} is not a field name`);
    }
  }

  /** Returns whether the field is not passed on. */
  #refusesUnderscore(name: string): boolean {
    const { underscores } = this.#limits;
    if (underscores === 'allow') return false;
    if (underscores === 'drop-header') this.droppedFields++;
    else this.#fail('http2.unexpected_underscore', `the header name ${name} has an underscore`);
    return true;
  }

  #fail(details: string, reason: string): void {
    this.#failure ??= failed(details, reason);
  }
}

/** Removes what must not come as trailers. */
export function cleanTrailers(trailers: HeaderMap): HeaderMap {
  for (let i = trailers.length - 1; i >= 0; i--) {
    const name = trailers.names[i];
    if (name !== undefined && NOT_TRAILERS.has(name)) trailers.remove(name);
  }
  return trailers;
}

/** Schemes are told apart without regard to case; one that nobody here speaks is the connection's. */
function knownScheme(scheme: string, ofConnection: string): string {
  const lower = scheme.toLowerCase();
  return lower === 'http' || lower === 'https' ? lower : ofConnection;
}

function failed(details: string, reason: string): FieldFailure {
  return { details, reason };
}

/** For messages: short, and without what would forge a line. */
function printable(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}
