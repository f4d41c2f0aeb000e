import { FakeClock } from '@heddle/common';
import { Deadlines } from '../codec/http1/deadline-queue.js';
import { ServerCodecHttp1, type ServerCodecConfig } from '../codec/http1/server-codec.js';
import { LentMemory } from '../codec/lent-memory.js';
import { FakeSocket } from './fake-socket.js';
import { RecordingServer, responseHead, type RecordedRequest } from './recording-receivers.js';

/** Envoy's defaults, with trailers on. */
export const SERVER_CODEC_CONFIG: ServerCodecConfig = Object.freeze({
  maxRequestHeadersBytes: 60 * 1024,
  maxHeadersCount: 100,
  acceptHttp10: false,
  allowAbsoluteUrl: true,
  allowChunkedLength: false,
  headersWithUnderscoresAction: 'allow',
  preserveHeaderCase: false,
  enableTrailers: true,
  requestHeadersTimeoutMs: 10_000,
  idleTimeoutMs: 3_600_000,
  delayedCloseTimeoutMs: 1000,
  maxConnectionDurationMs: 0,
  maxRequestsPerConnection: 0,
  serverName: 'envoy',
  serverHeaderTransformation: 'overwrite',
});

/** A server codec over a fake socket and clock. */
export class ServerCodecUnderTest {
  readonly socket = new FakeSocket();
  readonly clock = new FakeClock();
  readonly server: RecordingServer;
  readonly codec: ServerCodecHttp1;
  /** Whether bytes are delivered in memory that is overwritten afterwards. */
  lends = false;

  constructor(
    config: Partial<ServerCodecConfig> = {},
    onEnd: (request: RecordedRequest) => void = answerOk,
    bufferLimitBytes = 0,
  ) {
    this.server = new RecordingServer(onEnd);
    this.codec = new ServerCodecHttp1(this.socket.asSocket(), this.server, {
      config: { ...SERVER_CODEC_CONFIG, ...config },
      bufferLimitBytes,
      deadlines: new Deadlines(this.clock),
      id: 1,
      scheme: 'http',
    });
  }

  /** Delivers latin1 text to the codec. */
  receive(text: string): void {
    if (!this.lends) {
      this.codec.receive(Buffer.from(text, 'latin1'));
      return;
    }
    // With room behind what was read, in which there is something as well.
    const memory = new LentMemory(text.length + 8, undefined);
    memory.bytes.fill('\r\n').write(text, 'latin1');
    this.codec.receiveLent(memory, 0, text.length);
    memory.bytes.fill('?');
  }

  /** The status codes of everything written so far; bodies must not look like status lines. */
  get statuses(): number[] {
    return [...this.socket.text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
  }
}

/** Answers 200 without a body. */
export function answerOk(request: RecordedRequest): void {
  request.sender.sendResponseHeaders(responseHead(200), true);
}
