import { DEFAULT_WINDOW, ErrorCode, MAX_WINDOW, readUint32, SettingId, writeUint32 } from './frame.js';
import type { HpackEncoder } from './hpack-encoder.js';

/** Until a peer says how many streams it takes. Source: RFC 9113 section 6.5.2, what it recommends at least. */
const STREAMS_BEFORE_SETTINGS = 100;
const LARGEST_FRAME_SIZE = 0xff_ffff;

/** What is wrong with SETTINGS. */
export interface SettingsProblem {
  readonly code: number;
  readonly reason: string;
}

/** What the peer's SETTINGS say. Source: RFC 9113 section 6.5.2. */
export class PeerSettings {
  readonly #encoder: HpackEncoder;
  /** Whether SETTINGS have come. */
  #isKnown = false;
  initialWindow = DEFAULT_WINDOW;
  maxConcurrentStreams = STREAMS_BEFORE_SETTINGS;
  /** Whether tunnels may be asked for: also where nothing was said yet. */
  allowsConnect = true;

  constructor(encoder: HpackEncoder) {
    this.#encoder = encoder;
  }

  /** Takes the payload of a SETTINGS frame, whose length is right. */
  read(bytes: Buffer, start: number, end: number): SettingsProblem | undefined {
    if (!this.#isKnown) {
      this.#isKnown = true;
      this.maxConcurrentStreams = Infinity;
      this.allowsConnect = false;
    }
    for (let at = start; at < end; at += 6) {
      const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      const value = readUint32(bytes, at + 2);
      switch (id) {
        case SettingId.HeaderTableSize:
          this.#encoder.limitTable(value);
          break;
        case SettingId.EnablePush:
          if (value > 1)
            return { code: ErrorCode.ProtocolError, reason: 'SETTINGS_ENABLE_PUSH is not 0 or 1' };
          break;
        case SettingId.MaxConcurrentStreams:
          this.maxConcurrentStreams = value;
          break;
        case SettingId.InitialWindowSize:
          if (value > MAX_WINDOW)
            return { code: ErrorCode.FlowControlError, reason: 'a window is too large' };
          this.initialWindow = value;
          break;
        case SettingId.MaxFrameSize:
          if (value < 16_384 || value > LARGEST_FRAME_SIZE) {
            return { code: ErrorCode.ProtocolError, reason: 'SETTINGS_MAX_FRAME_SIZE is not allowed' };
          }
          break;
        case SettingId.EnableConnectProtocol:
          if (value > 1) return { code: ErrorCode.ProtocolError, reason: 'a setting is not 0 or 1' };
          this.allowsConnect = value === 1;
          break;
        default:
        // Unknown settings are ignored.
      }
    }
    return undefined;
  }
}

/** The payload of a SETTINGS frame. */
export function writeSettings(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * settings.length);
  settings.forEach(([id, value], i) => {
    payload[6 * i] = id >> 8;
    payload[6 * i + 1] = id;
    writeUint32(payload, 6 * i + 2, value);
  });
  return payload;
}
