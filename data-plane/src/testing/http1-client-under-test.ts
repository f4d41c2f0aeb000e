import { ClientCodecHttp1 } from '../codec/http1/client-codec.js';
import type { ClientStream } from '../codec/http1/client-stream.js';
import { FakeSocket } from './fake-socket.js';
import { RecordedResponse, requestHead } from './recording-receivers.js';

/** A client codec over a fake socket. */
export class Http1ClientUnderTest {
  readonly socket = new FakeSocket();
  readonly codec: ClientCodecHttp1;
  done = 0;
  closed = 0;

  constructor() {
    this.codec = new ClientCodecHttp1(
      this.socket.asSocket(),
      { onStreamDone: () => void this.done++, onClose: () => void this.closed++ },
      {
        id: 1,
        bufferLimitBytes: 0,
        maxResponseHeadersBytes: 60 * 1024,
        maxHeadersCount: 100,
        preserveHeaderCase: false,
        enableTrailers: true,
      },
    );
  }

  ask(
    head = requestHead('GET', '/'),
    endStream = true,
  ): { stream: ClientStream; response: RecordedResponse } {
    const stream = this.codec.newStream();
    const response = new RecordedResponse();
    stream.attach(response);
    stream.sendRequestHeaders(head, endStream);
    return { stream, response };
  }

  /** Latin1 text, or bytes. */
  receive(bytes: string | Buffer): void {
    this.socket.emit('data', typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }
}
