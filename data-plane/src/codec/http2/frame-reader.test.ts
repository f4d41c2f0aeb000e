import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { frame } from '../../testing/http2-under-test.js';
import { CLIENT_PREFACE, Flag, FrameType } from './frame.js';
import { FrameReader, type FrameSink } from './frame-reader.js';

describe('the frame reader', () => {
  it('reads the same frames however the bytes are cut', () => {
    const anyFrame = fc.oneof(
      fc
        .tuple(fc.integer({ min: 1, max: 12 }), fc.nat(255), fc.nat(1000), fc.uint8Array({ maxLength: 60 }))
        .map(([type, flags, id, payload]) => frame(type, flags, id, payload)),
      fc
        .tuple(fc.boolean(), fc.nat(1000), fc.uint8Array({ maxLength: 60 }))
        .map(([isEnd, id, payload]) => frame(FrameType.Data, isEnd ? Flag.EndStream : 0, id, payload)),
      fc
        .tuple(fc.nat(1000), fc.uint8Array({ maxLength: 40 }), fc.nat(20))
        .map(([id, data, padding]) =>
          frame(
            FrameType.Data,
            Flag.Padded,
            id,
            Buffer.concat([Buffer.from([padding]), data, Buffer.alloc(padding)]),
          ),
        ),
    );
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 8 }),
        fc.array(fc.nat(400), { maxLength: 10 }),
        (frames, cuts) => {
          const bytes = Buffer.concat([CLIENT_PREFACE, frame(FrameType.Settings, 0, 0), ...frames]);
          const whole = new RecordingSink();
          whole.reader.push(bytes, 0, bytes.length, undefined);
          const cut = new RecordingSink();
          let from = 0;
          for (const at of [...cuts.map((one) => one % bytes.length).sort((a, b) => a - b), bytes.length]) {
            cut.reader.push(Buffer.from(bytes.subarray(from, at)), 0, at - from, undefined);
            from = at;
          }
          assert.deepEqual(cut.events, whole.events);
          assert.equal(whole.events.filter((event) => event.startsWith('bad ')).length, 0);
        },
      ),
    );
  });

  for (const [title, bytes, expected] of [
    ['bytes that are no preface', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'bad preface'],
    [
      'a first frame that is no SETTINGS',
      Buffer.concat([CLIENT_PREFACE, frame(FrameType.Ping, 0, 0, '12345678')]),
      'bad preface',
    ],
    [
      'a frame that is too large',
      Buffer.concat([
        CLIENT_PREFACE,
        frame(FrameType.Settings, 0, 0),
        frame(FrameType.Headers, 0, 1, Buffer.alloc(16_385)),
      ]),
      'bad frame true',
    ],
    [
      'padding beyond the frame',
      Buffer.concat([
        CLIENT_PREFACE,
        frame(FrameType.Settings, 0, 0),
        frame(FrameType.Data, Flag.Padded, 1, '\x05abc'),
      ]),
      'bad frame false',
    ],
  ] as const) {
    it(`refuses ${title}, and reads nothing behind it`, () => {
      const sink = new RecordingSink();
      sink.reader.push(bytes, 0, bytes.length, undefined);
      const more = frame(FrameType.Ping, 0, 0, '12345678');
      sink.reader.push(more, 0, more.length, undefined);
      assert.equal(sink.events.at(-1), expected);
    });
  }
});

/** Remembers what it was told; parts of data as one. */
class RecordingSink implements FrameSink {
  readonly reader = new FrameReader(this, CLIENT_PREFACE);
  readonly events: string[] = [];
  #data = '';

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    this.events.push(`frame ${type} ${flags} ${streamId} ${bytes.toString('hex', start, end)}`);
  }

  onDataBegin(streamId: number, length: number, dataBytes: number, isEnd: boolean): void {
    this.events.push(`data ${streamId} ${length} ${dataBytes} ${isEnd}`);
    this.#data = '';
  }

  onData(chunk: Buffer, isLast: boolean): void {
    this.#data += chunk.toString('hex');
    if (isLast) this.events.push(this.#data);
  }

  onBadFrame(isTooLarge: boolean): void {
    this.events.push(`bad frame ${isTooLarge}`);
  }

  onBadPreface(): void {
    this.events.push('bad preface');
  }
}
