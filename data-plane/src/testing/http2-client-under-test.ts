import { FakeClock } from '@heddle/common';
import { DEFAULT_HTTP2_CONFIG, type Http2Config } from '@heddle/engine';
import { Deadlines } from '../codec/http1/deadline-queue.js';
import { ClientCodecHttp2 } from '../codec/http2/client-codec.js';
import { Http2Stats } from '../codec/http2/http2-stats.js';
import { StatsStore } from '../stats/stats-store.js';
import { FakeSocket } from './fake-socket.js';
import { RecordedResponse, requestHead } from './recording-receivers.js';

/** An HTTP/2 client codec over a fake socket and clock. */
export class Http2ClientUnderTest {
  readonly socket = new FakeSocket();
  readonly clock = new FakeClock();
  readonly codec: ClientCodecHttp2;
  goneAway = false;

  constructor(http2: Partial<Http2Config> = {}) {
    const callbacks = {
      onRoom: () => undefined,
      onStreamDone: () => undefined,
      onGoAway: () => (this.goneAway = true),
      onClose: () => undefined,
    };
    this.codec = new ClientCodecHttp2(this.socket.asSocket(), callbacks, {
      id: 1,
      http2: { ...DEFAULT_HTTP2_CONFIG, ...http2 },
      stats: new Http2Stats(new StatsStore(), 'http2', []),
      deadlines: new Deadlines(this.clock),
      bufferLimitBytes: 0,
      maxResponseHeadersBytes: 60 * 1024,
      maxHeadersCount: 100,
    });
  }

  /** Asks with a request that has no body: the first is stream 1. */
  ask(): RecordedResponse {
    const stream = this.codec.newStream();
    const response = new RecordedResponse();
    stream.attach(response);
    stream.sendRequestHeaders(requestHead('GET', '/'), true);
    return response;
  }

  receive(bytes: Buffer): void {
    this.codec.receive(bytes);
  }
}
