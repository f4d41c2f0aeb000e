/** One question to a name server. */
export interface DnsQuery {
  readonly id: number;
  /** In lower case, labels joined by dots, without one at the end. A dot or backslash inside a label is escaped. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly recursionDesired: boolean;
  /** Where the question ends. */
  readonly end: number;
  /** How long an answer over UDP may be. */
  readonly mostBytes: number;
  /** The version of EDNS that it speaks; undefined: it has no OPT record, and its answer has none. */
  readonly edns: number | undefined;
}

/** Source: RFC 1035, section 3.2.2; RFC 3596, section 2.1; RFC 2782; RFC 6891, section 6.1.1. */
export const DNS_TYPE = { a: 1, cname: 5, soa: 6, txt: 16, aaaa: 28, srv: 33, opt: 41, any: 255 } as const;
export const DNS_CLASS_IN = 1;
/** Source: RFC 1035, section 4.1.1. */
export const DNS_RCODE = {
  ok: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  /** Its upper bits are in the OPT record. Source: RFC 6891, section 9. */
  badVersion: 16,
} as const;

export const HEADER_BYTES = 12;
const MOST_NAME_BYTES = 255;
/** Source: RFC 1035, section 4.2.1. */
const PLAIN_UDP_BYTES = 512;
/** What asks for more gets this much: larger datagrams are fragmented. */
export const MOST_UDP_BYTES = 4096;
/** Of an OPT record without options. */
const OPT_BYTES = 11;

/** Why a question cannot be answered: nothing can be said to whoever sent it, or this code. */
export type RefusedQuery = 'ignored' | { readonly id: number; readonly rcode: number };

/** Reads a question. Source: RFC 1035, section 4; RFC 6891, section 6.1.2 for the size of answers. */
export function parseQuery(bytes: Buffer): DnsQuery | RefusedQuery {
  if (bytes.length < HEADER_BYTES) return 'ignored';
  const id = bytes.readUInt16BE(0);
  const flags = bytes.readUInt16BE(2);
  // An answer: to answer it could go on for ever.
  if ((flags & 0x8000) !== 0) return 'ignored';
  if ((flags & 0x7800) !== 0) return { id, rcode: DNS_RCODE.notImplemented };
  const formatError: RefusedQuery = { id, rcode: DNS_RCODE.formatError };
  if (bytes.readUInt16BE(4) !== 1 || bytes.readUInt16BE(6) !== 0) return formatError;
  const named = readQuestionName(bytes);
  if (named === undefined || named.end + 4 > bytes.length) return formatError;
  const end = named.end + 4;
  return {
    id,
    name: named.name,
    type: bytes.readUInt16BE(named.end),
    class: bytes.readUInt16BE(named.end + 2),
    recursionDesired: (flags & 0x0100) !== 0,
    end,
    ...readOpt(bytes, end),
  };
}

/** The name of the first question; compression has nothing to point to there. */
function readQuestionName(bytes: Buffer): { readonly name: string; readonly end: number } | undefined {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) return { name: labels.join('.'), end: at };
    if (at + length > bytes.length || at + length - HEADER_BYTES > MOST_NAME_BYTES) return undefined;
    labels.push(
      bytes
        .toString('latin1', at, at + length)
        .replace(/[.\\]/g, '\\$&')
        .toLowerCase(),
    );
    at += length;
  }
}

/** What an OPT record right after the question says; it has an empty name, the size in place of a class, and the version in its TTL. */
function readOpt(bytes: Buffer, at: number): Pick<DnsQuery, 'mostBytes' | 'edns'> {
  const isThere =
    bytes.readUInt16BE(8) === 0 &&
    bytes.readUInt16BE(10) > 0 &&
    at + OPT_BYTES <= bytes.length &&
    bytes[at] === 0 &&
    bytes.readUInt16BE(at + 1) === DNS_TYPE.opt;
  if (!isThere) return { mostBytes: PLAIN_UDP_BYTES, edns: undefined };
  const asked = bytes.readUInt16BE(at + 3);
  return { mostBytes: Math.min(Math.max(asked, PLAIN_UDP_BYTES), MOST_UDP_BYTES), edns: bytes[at + 6] };
}

/**
 * Whether a message answers the very question that was asked: its letters are compared as they were written, which is as good as
 * further bits of the id. Source: RFC 5452, section 9.1.
 */
export function repeatsQuestion(request: Buffer, query: DnsQuery, message: Buffer): boolean {
  if (message.length < query.end || message.readUInt16BE(4) !== 1) return false;
  return message.compare(request, HEADER_BYTES, query.end, HEADER_BYTES, query.end) === 0;
}

/** Whether an answer over UDP says that there is more than it could carry. */
export function isTruncated(answer: Buffer): boolean {
  return ((answer[2] ?? 0) & 0x02) !== 0;
}

/** What of an answer counts down with time. */
export interface AnswerLife {
  /** Where its TTLs stand. */
  readonly ttlOffsets: readonly number[];
  /** How long all of it holds, in seconds. */
  readonly ttlS: number;
}

/**
 * How long an answer holds; undefined where it may not be kept, or cannot be read.
 *
 * Source: RFC 1035, section 4.1.3; RFC 2308, section 5: that something is not there holds as long as the SOA beside it says.
 */
export function answerLife(answer: Buffer, question: DnsQuery): AnswerLife | undefined {
  if (answer.length < question.end) return undefined;
  const flags = answer.readUInt16BE(2);
  const rcode = flags & 0x000f;
  const isTruncated = (flags & 0x0200) !== 0;
  if (isTruncated || (rcode !== DNS_RCODE.ok && rcode !== DNS_RCODE.noSuchName)) return undefined;
  const answers = answer.readUInt16BE(6);
  const authorities = answer.readUInt16BE(8);
  const all = answers + authorities + answer.readUInt16BE(10);
  const ttlOffsets: number[] = [];
  let ttlS = Infinity;
  let at = question.end;
  for (let index = 0; index < all; index++) {
    const end = skipName(answer, at);
    if (end === undefined || end + 10 > answer.length) return undefined;
    const type = answer.readUInt16BE(end);
    const dataEnd = end + 10 + answer.readUInt16BE(end + 8);
    if (dataEnd > answer.length) return undefined;
    // The TTL of OPT is something else.
    if (type !== DNS_TYPE.opt) {
      ttlOffsets.push(end + 4);
      const own = answer.readUInt32BE(end + 4);
      const isNegative = answers === 0 && index < authorities && type === DNS_TYPE.soa;
      const minimum = isNegative && dataEnd - end >= 14 ? answer.readUInt32BE(dataEnd - 4) : own;
      ttlS = Math.min(ttlS, own, minimum);
    }
    at = dataEnd;
  }
  return Number.isFinite(ttlS) ? { ttlOffsets, ttlS } : undefined;
}

/** Where a name ends, which may be cut short by a pointer. */
function skipName(bytes: Buffer, start: number): number | undefined {
  let at = start;
  while (at - start <= MOST_NAME_BYTES) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}
