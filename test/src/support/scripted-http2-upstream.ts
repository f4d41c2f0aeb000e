import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { CLIENT_PREFACE, ErrorCode, Flag, frame, FrameType } from '@heddle/data-plane/testing';

/** What becomes of a request: it is answered 200, reset, told that the server goes away and did not look at it, or forgotten. */
export type StreamScript = 'answer' | 'refuse' | 'cancel' | 'go away' | 'silence';

const FRAME_HEADER_BYTES = 9;
const STATUS_200 = Buffer.from([0x88]);

/** A server of HTTP/2, below libraries, that does with each request what the test says, in order, and answers then. */
export class ScriptedHttp2Upstream {
  connections = 0;
  requests = 0;
  pings = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #scripts: StreamScript[];
  readonly #answersPings: boolean;

  private constructor(scripts: readonly StreamScript[], answersPings: boolean) {
    this.#scripts = [...scripts];
    this.#answersPings = answersPings;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async listen(
    port: number,
    scripts: readonly StreamScript[] = [],
    answersPings = true,
  ): Promise<ScriptedHttp2Upstream> {
    const upstream = new ScriptedHttp2Upstream(scripts, answersPings);
    upstream.#server.listen(port, '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.write(frame(FrameType.Settings, 0, 0));
    let rest: Buffer = Buffer.alloc(0);
    let isBegun = false;
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      if (!isBegun && rest.length >= CLIENT_PREFACE.length) {
        isBegun = true;
        rest = rest.subarray(CLIENT_PREFACE.length);
      }
      while (isBegun && rest.length >= FRAME_HEADER_BYTES) {
        const end = FRAME_HEADER_BYTES + rest.readUIntBE(0, 3);
        if (rest.length < end) return;
        this.#take(socket, rest.subarray(0, end));
        rest = rest.subarray(end);
      }
    });
  }

  #take(socket: Socket, bytes: Buffer): void {
    const type = bytes[3];
    const isAck = ((bytes[4] as number) & Flag.Ack) !== 0;
    if (type === FrameType.Settings && !isAck) socket.write(frame(FrameType.Settings, Flag.Ack, 0));
    if (type === FrameType.Ping && !isAck) {
      this.pings++;
      if (this.#answersPings)
        socket.write(frame(FrameType.Ping, Flag.Ack, 0, bytes.subarray(FRAME_HEADER_BYTES)));
    }
    if (type === FrameType.Headers) this.#onRequest(socket, bytes.readUInt32BE(5) & 0x7fffffff);
  }

  #onRequest(socket: Socket, id: number): void {
    this.requests++;
    const uint32 = (value: number): Buffer => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes;
    };
    switch (this.#scripts.shift() ?? 'answer') {
      case 'answer':
        socket.write(frame(FrameType.Headers, Flag.EndHeaders | Flag.EndStream, id, STATUS_200));
        return;
      case 'refuse':
        socket.write(frame(FrameType.RstStream, 0, id, uint32(ErrorCode.RefusedStream)));
        return;
      case 'cancel':
        socket.write(frame(FrameType.RstStream, 0, id, uint32(ErrorCode.Cancel)));
        return;
      case 'go away':
        socket.write(
          frame(
            FrameType.GoAway,
            0,
            0,
            Buffer.concat([uint32(Math.max(0, id - 2)), uint32(ErrorCode.NoError)]),
          ),
        );
        return;
      case 'silence':
        return;
    }
  }
}
