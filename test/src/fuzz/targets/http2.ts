import assert from 'node:assert/strict';
import {
  decodeFields,
  encodeFields,
  ErrorCode,
  Flag,
  frame,
  FrameType,
  HpackDecoder,
  HpackEncoder,
  Http2ClientUnderTest,
  Http2ServerUnderTest,
} from '@heddle/data-plane/testing';
import type { FuzzTarget } from '../fuzz-target.js';
import { requestText, responseText } from './message-text.js';

const TABLE_BYTES = 4096;
const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** `:method: POST`, `:scheme: http`, `:path: /`, and `:authority: a` into the table. */
const HEAD = Buffer.from([0x83, 0x86, 0x84, 0x41, 0x01, 0x61]);
const HPACK_TOKENS = [
  HEAD,
  ...[
    '82',
    '84',
    '88',
    '8d',
    'be',
    'bf',
    'c0',
    '3fe11f',
    '20',
    '3f81ff03',
    '40',
    '00',
    '10',
    '7f80808080',
    'ff80ffffff0f',
  ],
  ...[
    '400161016200',
    '0085f2b24a84ff',
    '4003782d61016f',
    '40037465088a',
    '5c0133',
    '0f0d0133',
    '8386844101618cbe',
  ],
].map((text) => (typeof text === 'string' ? Buffer.from(text, 'hex') : text));
const FRAME_TOKENS = [
  ...HPACK_TOKENS,
  frame(FrameType.Headers, Flag.EndHeaders, 1, HEAD),
  frame(FrameType.Headers, Flag.EndHeaders | Flag.EndStream, 3, HEAD),
  frame(FrameType.Headers, 0, 5, HEAD),
  frame(
    FrameType.Headers,
    Flag.EndHeaders | Flag.Padded | Flag.Priority,
    7,
    Buffer.concat([Buffer.alloc(6), HEAD]),
  ),
  frame(FrameType.Continuation, Flag.EndHeaders, 5),
  frame(FrameType.Continuation, 0, 5, HEAD),
  frame(FrameType.Headers, Flag.EndHeaders | Flag.EndStream, 1, Buffer.from('4003782d74016f', 'hex')),
  frame(FrameType.Data, 0, 1, 'data'),
  frame(FrameType.Data, Flag.EndStream, 1),
  frame(FrameType.Data, Flag.Padded, 1, Buffer.from('\x02ab\0\0', 'latin1')),
  frame(FrameType.RstStream, 0, 1, uint32(ErrorCode.Cancel)),
  frame(FrameType.WindowUpdate, 0, 0, uint32(0x7fffffff)),
  frame(FrameType.WindowUpdate, 0, 1, uint32(1)),
  frame(FrameType.WindowUpdate, 0, 1, uint32(0)),
  frame(FrameType.Settings, 0, 0),
  frame(FrameType.Settings, Flag.Ack, 0),
  frame(FrameType.Settings, 0, 0, Buffer.from('000400000000', 'hex')),
  frame(FrameType.Settings, 0, 0, Buffer.from('0004ffffffff', 'hex')),
  frame(FrameType.Settings, 0, 0, Buffer.from('000100000000', 'hex')),
  frame(FrameType.Ping, 0, 0, '12345678'),
  frame(FrameType.GoAway, 0, 0, Buffer.alloc(8)),
  frame(FrameType.Priority, 0, 1, Buffer.alloc(5)),
  frame(FrameType.PushPromise, Flag.EndHeaders, 1, Buffer.concat([uint32(2), HEAD])),
  frame(0xbe, 0xff, 9, 'unknown'),
];

/** Blocks of one connection, each behind its length in one byte. */
function decodeBlocks(bytes: Buffer): string {
  const decoder = new HpackDecoder(TABLE_BYTES);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + (bytes[at] as number));
    const fields = decodeFields(decoder, bytes.subarray(at + 1, end));
    assert.ok(decoder.tableBytes <= TABLE_BYTES, 'the table is larger than it may be');
    if (fields === undefined) {
      lines.push('broken');
      break;
    }
    // Whatever was decoded can be said again, and is understood the same.
    const again = decodeFields(
      new HpackDecoder(TABLE_BYTES),
      encodeFields(new HpackEncoder(TABLE_BYTES), fields),
    );
    assert.deepEqual(again, fields);
    lines.push(fields.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(' '));
    at = end;
  }
  return lines.join('\n    ');
}

export const http2Targets: readonly FuzzTarget[] = [
  {
    name: 'hpack',
    isStream: false,
    tokens: HPACK_TOKENS,
    run: ([bytes = Buffer.alloc(0)]) => decodeBlocks(bytes),
  },
  {
    name: 'http2-server',
    isStream: true,
    tokens: FRAME_TOKENS,
    run: (parts) => {
      const under = new Http2ServerUnderTest().start();
      under.written();
      for (const part of parts) under.receive(part);
      const frames = under.written();
      const code = under.goAway(frames);
      return [
        code === undefined ? 'open' : `GOAWAY ${code}`,
        ...frames
          .filter(({ type }) => type === FrameType.RstStream)
          .map(({ streamId, payload }) => `RST ${streamId} ${payload.readUInt32BE(0)}`),
        ...under.server.requests.map(requestText),
      ].join('\n    ');
    },
  },
  {
    name: 'http2-client',
    isStream: true,
    tokens: [...FRAME_TOKENS, frame(FrameType.Headers, Flag.EndHeaders, 1, Buffer.from([0x88]))],
    run: (parts) => {
      const under = new Http2ClientUnderTest();
      const responses = [under.ask(), under.ask()];
      for (const part of parts) under.receive(part);
      return [under.goneAway ? 'gone away' : 'open', ...responses.map(responseText)].join('\n    ');
    },
  },
];
