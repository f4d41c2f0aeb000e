import { isIPv4 } from 'node:net';

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
}

/** Source: RFC 1035, section 3.2.2; RFC 3596, section 2.1. */
export const DNS_TYPE = { a: 1, soa: 6, aaaa: 28, opt: 41 } as const;
export const DNS_CLASS_IN = 1;
/** Source: RFC 1035, section 4.1.1. */
export const DNS_RCODE = {
  ok: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
} as const;

const HEADER_BYTES = 12;
const MOST_NAME_BYTES = 255;
/** Source: RFC 1035, section 4.2.1. */
const PLAIN_UDP_BYTES = 512;
/** What asks for more gets this much: larger datagrams are fragmented. */
const MOST_UDP_BYTES = 4096;
const POINTER_TO_QUESTION = 0xc000 | HEADER_BYTES;

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
    mostBytes: answerBytes(bytes, end),
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

/** What an OPT record right after the question allows; it has an empty name, and the size in place of a class. */
function answerBytes(bytes: Buffer, at: number): number {
  const additional = bytes.readUInt16BE(10);
  if (bytes.readUInt16BE(8) !== 0 || additional === 0 || at + 5 > bytes.length) return PLAIN_UDP_BYTES;
  if (bytes[at] !== 0 || bytes.readUInt16BE(at + 1) !== DNS_TYPE.opt) return PLAIN_UDP_BYTES;
  return Math.min(Math.max(bytes.readUInt16BE(at + 3), PLAIN_UDP_BYTES), MOST_UDP_BYTES);
}

/** The addresses that a name has, as an answer to its question. `ttlS` in seconds. */
export function formatAddresses(
  request: Buffer,
  query: DnsQuery,
  addresses: readonly string[],
  ttlS: number,
): Buffer {
  const records = addresses.map((address) => {
    const data = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address);
    const record = Buffer.alloc(12 + data.length);
    record.writeUInt16BE(POINTER_TO_QUESTION, 0);
    record.writeUInt16BE(data.length === 4 ? DNS_TYPE.a : DNS_TYPE.aaaa, 2);
    record.writeUInt16BE(DNS_CLASS_IN, 4);
    record.writeUInt32BE(ttlS, 6);
    record.writeUInt16BE(data.length, 10);
    data.copy(record, 12);
    return record;
  });
  const head = formatHead(request, query, DNS_RCODE.ok, records.length);
  return Buffer.concat([head, ...records]);
}

/** An answer without records. */
export function formatFailure(request: Buffer, query: DnsQuery, rcode: number): Buffer {
  return formatHead(request, query, rcode, 0);
}

/** The answer to what could not be read: its id and a code. */
export function formatRefusal(id: number, rcode: number): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(0x8000 | rcode, 2);
  return head;
}

/** An answer that is too long for UDP, without its records: whoever asked comes again over TCP. */
export function truncated(request: Buffer, query: DnsQuery): Buffer {
  const head = formatHead(request, query, DNS_RCODE.ok, 0);
  head.writeUInt16BE(head.readUInt16BE(2) | 0x0200, 2);
  return head;
}

/** Header and question of an answer: the question as it was asked, for some resolvers compare the case of its letters. */
function formatHead(request: Buffer, query: DnsQuery, rcode: number, answers: number): Buffer {
  const head = Buffer.alloc(query.end);
  request.copy(head, HEADER_BYTES, HEADER_BYTES, query.end);
  head.writeUInt16BE(query.id, 0);
  // An answer, with recursion where it was asked for and always at hand.
  head.writeUInt16BE(0x8080 | (query.recursionDesired ? 0x0100 : 0) | rcode, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(answers, 6);
  return head;
}

function ipv6Bytes(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  const [before = '', after] = address.split('::');
  const groups = (text: string): number[] =>
    text === ''
      ? []
      : text.split(':').flatMap((group) => {
          if (!group.includes('.')) return [parseInt(group, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
          return [a * 256 + b, c * 256 + d];
        });
  const first = groups(before);
  const last = after === undefined ? [] : groups(after);
  first.forEach((group, i) => bytes.writeUInt16BE(group, i * 2));
  last.forEach((group, i) => bytes.writeUInt16BE(group, 16 - (last.length - i) * 2));
  return bytes;
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
