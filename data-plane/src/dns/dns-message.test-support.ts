import { addressRecords, formatAnswer } from './answer.js';
import type { DnsQuery } from './message.js';

/** An answer with addresses. */
export function addressAnswer(
  request: Buffer,
  query: DnsQuery,
  addresses: readonly string[],
  ttlS: number,
): Buffer {
  return formatAnswer(request, query, { answers: addressRecords(addresses, ttlS) });
}

/** A question as resolvers send it; labels are cut at 63 bytes. */
export function questionFor(
  name: string,
  type: number,
  options: { readonly id?: number; readonly udpBytes?: number } = {},
): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  const parts = labels.map((label) => {
    const bytes = Buffer.from(label.slice(0, 63), 'latin1');
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  const head = Buffer.alloc(12);
  head.writeUInt16BE(options.id ?? 1, 0);
  head.writeUInt16BE(0x0100, 2);
  head.writeUInt16BE(1, 4);
  const tail = Buffer.from([0, type >> 8, type & 0xff, 0, 1]);
  if (options.udpBytes === undefined) return Buffer.concat([head, ...parts, tail]);
  head.writeUInt16BE(1, 10);
  const opt = Buffer.from([0, 0, 41, options.udpBytes >> 8, options.udpBytes & 0xff, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...parts, tail, opt]);
}

/** The addresses of an answer of ours, whose records all begin with a pointer to the question. */
export function recordsOf(answer: Buffer): readonly string[] {
  const count = answer.readUInt16BE(6);
  let at = 12;
  while (answer[at] !== 0) at += 1 + (answer[at] as number);
  at += 5;
  const records: string[] = [];
  for (let index = 0; index < count; index++) {
    const length = answer.readUInt16BE(at + 10);
    const data = answer.subarray(at + 12, at + 12 + length);
    records.push(
      length === 4
        ? [...data].join('.')
        : Array.from({ length: 8 }, (_, i) => data.readUInt16BE(i * 2).toString(16)).join(':'),
    );
    at += 12 + length;
  }
  return records;
}
