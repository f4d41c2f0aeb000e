import { isIPv4 } from 'node:net';
import { parseIp } from '@heddle/engine';
import { DNS_CLASS_IN, DNS_RCODE, DNS_TYPE, HEADER_BYTES, MOST_UDP_BYTES, type DnsQuery } from './message.js';

const POINTER_TO_QUESTION = Buffer.from([0xc0, HEADER_BYTES]);
const MOST_LABEL_BYTES = 63;

/** One record of an answer of ours. */
export interface DnsRecord {
  /** undefined: the name that was asked for. */
  readonly name: string | undefined;
  readonly type: number;
  readonly ttlS: number;
  readonly data: Buffer;
}

/** An answer of ours. What is left out is empty, or no error. */
export interface DnsAnswer {
  readonly rcode?: number;
  readonly answers?: readonly DnsRecord[];
  readonly authorities?: readonly DnsRecord[];
  readonly additional?: readonly DnsRecord[];
  /** Whether we are the authority for the name. */
  readonly isAuthoritative?: boolean;
  readonly isTruncated?: boolean;
}

/**
 * An answer, with the question as it was asked: some resolvers compare the case of its letters. It has an OPT record where the
 * question has one. Source: RFC 1035, section 4.1; RFC 6891, section 6.1.1.
 */
export function formatAnswer(request: Buffer, query: DnsQuery, answer: DnsAnswer): Buffer {
  const { rcode = DNS_RCODE.ok, answers = [], authorities = [], additional = [] } = answer;
  const head = Buffer.alloc(query.end);
  request.copy(head, HEADER_BYTES, HEADER_BYTES, query.end);
  head.writeUInt16BE(query.id, 0);
  // An answer, with recursion where it was asked for and always at hand.
  const flags =
    0x8080 |
    (query.recursionDesired ? 0x0100 : 0) |
    (answer.isAuthoritative === true ? 0x0400 : 0) |
    (answer.isTruncated === true ? 0x0200 : 0);
  head.writeUInt16BE(flags | (rcode & 0x0f), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(answers.length, 6);
  head.writeUInt16BE(authorities.length, 8);
  head.writeUInt16BE(additional.length + (query.edns === undefined ? 0 : 1), 10);
  const records = [...answers, ...authorities, ...additional].map(formatRecord);
  return Buffer.concat([head, ...records, ...(query.edns === undefined ? [] : [optRecord(rcode)])]);
}

/** The answer to what could not be read: its id and a code. */
export function formatRefusal(id: number, rcode: number): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(0x8000 | rcode, 2);
  return head;
}

/** The records of a name's addresses. */
export function addressRecords(
  addresses: readonly string[],
  ttlS: number,
  name: string | undefined = undefined,
): readonly DnsRecord[] {
  return addresses.map((address) => ({
    name,
    type: isIPv4(address) ? DNS_TYPE.a : DNS_TYPE.aaaa,
    ttlS,
    data: Buffer.from(parseIp(address) ?? []),
  }));
}

/** The name that another stands for. */
export function cnameRecord(target: string, ttlS: number): DnsRecord {
  return { name: undefined, type: DNS_TYPE.cname, ttlS, data: formatName(target) };
}

/** Where a service is served. Source: RFC 2782; all targets are equal. */
export function srvRecord(target: string, port: number, ttlS: number): DnsRecord {
  const data = Buffer.alloc(6);
  data.writeUInt16BE(100, 2);
  data.writeUInt16BE(port, 4);
  return { name: undefined, type: DNS_TYPE.srv, ttlS, data: Buffer.concat([data, formatName(target)]) };
}

/** One text of at most 255 bytes. */
export function txtRecord(text: string, ttlS: number): DnsRecord {
  const bytes = Buffer.from(text).subarray(0, 255);
  return {
    name: undefined,
    type: DNS_TYPE.txt,
    ttlS,
    data: Buffer.concat([Buffer.from([bytes.length]), bytes]),
  };
}

/** By which resolvers know how long they may keep it in mind that something is not there. Source: RFC 2308, section 3. */
export function soaRecord(zone: string, ttlS: number): DnsRecord {
  const numbers = Buffer.alloc(20);
  // Serial, and what secondary servers would want to know; the last is for how long nothing is there.
  [1, 7_200, 1_800, 86_400, ttlS].forEach((number, index) => numbers.writeUInt32BE(number, 4 * index));
  const data = Buffer.concat([formatName(`ns.dns.${zone}`), formatName(`hostmaster.${zone}`), numbers]);
  return { name: zone, type: DNS_TYPE.soa, ttlS, data };
}

/** A name as it is sent, whole. Labels that are too long are cut: they come from names that were checked. */
function formatName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.');
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label, 'latin1').subarray(0, MOST_LABEL_BYTES);
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  return Buffer.concat([...parts, Buffer.alloc(1)]);
}

function formatRecord({ name, type, ttlS, data }: DnsRecord): Buffer {
  const fields = Buffer.alloc(10);
  fields.writeUInt16BE(type, 0);
  fields.writeUInt16BE(DNS_CLASS_IN, 2);
  fields.writeUInt32BE(ttlS, 4);
  fields.writeUInt16BE(data.length, 8);
  return Buffer.concat([name === undefined ? POINTER_TO_QUESTION : formatName(name), fields, data]);
}

function optRecord(rcode: number): Buffer {
  const record = Buffer.alloc(11);
  record.writeUInt16BE(DNS_TYPE.opt, 1);
  record.writeUInt16BE(MOST_UDP_BYTES, 3);
  record.writeUInt8(rcode >> 4, 5);
  return record;
}
