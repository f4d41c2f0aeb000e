import assert from 'node:assert/strict';
import { Base64Decoder, GrpcMessages, MessageTextEncoder } from '@heddle/data-plane/testing';
import type { FuzzTarget } from '../fuzz-target.js';

/** Group by group, as Node decodes it. */
function decodedByNode(text: string): Buffer {
  return Buffer.concat((text.match(/.{4}/gs) ?? []).map((group) => Buffer.from(group, 'base64')));
}

export const grpcWebTargets: readonly FuzzTarget[] = [
  {
    name: 'grpc-web-base64',
    isStream: true,
    tokens: ['AAAA', 'AA==', 'AAA=', 'AAAAAA==', '=', '+/+/', 'AAAAAAVoZWxsbw=='],
    run: (parts) => {
      const decoder = new Base64Decoder();
      const decoded: Buffer[] = [];
      for (const part of parts) {
        const bytes = decoder.decode(part);
        if (bytes === undefined) return 'refused';
        decoded.push(bytes);
      }
      const bytes = Buffer.concat(decoded);
      if (decoder.isWhole) assert.deepEqual(bytes, decodedByNode(Buffer.concat(parts).toString('latin1')));
      return `${decoder.isWhole ? 'whole' : 'cut off'} ${bytes.toString('hex')}`;
    },
  },
  {
    name: 'grpc-web-text',
    isStream: true,
    tokens: [
      '\0\0\0\0\0',
      '\0\0\0\0\x01a',
      '\0\0\0\0\x02ab',
      '\x80\0\0\0\x03a:b',
      '\0\xff\xff\xff\xff',
      '\0\0\x01\0\0',
    ],
    run: (parts) => {
      const encoder = new MessageTextEncoder();
      const text = Buffer.concat([...parts.map((part) => encoder.encode(part)), encoder.end()]).toString();
      const bytes = Buffer.concat(parts);
      const messages = new GrpcMessages();
      let expected = '';
      for (let at = 0; at < bytes.length;) {
        const from = at;
        at = messages.advance(bytes, from);
        while (!messages.isBetween && at < bytes.length) at = messages.advance(bytes, at);
        expected += bytes.toString('base64', from, at);
      }
      assert.equal(text, expected);
      return text;
    },
  },
];
