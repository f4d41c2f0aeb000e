import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Http1Reader, type Http1Message } from './http1-reader.js';

/** What an upstream does with one request, where that is not the plain answer. */
export interface UpstreamReply {
  /** Written as they are; left out: nothing is answered. `default`: the plain answer. */
  readonly bytes?: string | Buffer;
  /** When: at the end of the head or of the whole request (the default). */
  readonly at?: 'head' | 'end';
  /** Nothing is written before this. */
  readonly after?: Promise<void>;
  /** Afterwards the connection stays, ends, is reset, or sends back every byte that it gets. Default: stays. */
  readonly then?: 'stay' | 'end' | 'reset' | 'echo';
}

export interface RecordedRequest extends Http1Message {
  readonly upstream: string;
}

/**
 * A server of a test, below HTTP libraries: keeps every request as it was written, and answers with the bytes that the
 * test wants. The plain answer names the upstream and the request line, so that a caller sees where it went.
 */
export class RecordingUpstream {
  readonly name: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #replies: UpstreamReply[] = [];
  /** By request target. */
  readonly #standing = new Map<string, UpstreamReply>();
  #recordedStanding: RecordedRequest[] = [];
  #recorded: RecordedRequest[] = [];
  #connections = 0;

  constructor(name: string) {
    this.name = name;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return this.port;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many connections were ever accepted. */
  get connections(): number {
    return this.#connections;
  }

  /** How many are open now. */
  get openConnections(): number {
    return this.#sockets.size;
  }

  /** The requests from now on are answered so, in this order; then plainly again. */
  replyWith(...replies: readonly UpstreamReply[]): void {
    this.#replies.push(...replies);
  }

  /** Requests for this target are answered so until it is said otherwise; they are recorded apart. */
  keepAnswering(target: string, reply: UpstreamReply): void {
    this.#standing.set(target, reply);
  }

  /** Requests since the last call for targets of `keepAnswering`. */
  takeStanding(): readonly RecordedRequest[] {
    const taken = this.#recordedStanding;
    this.#recordedStanding = [];
    return taken;
  }

  /** Requests since the last call; forgets planned replies too, so that rows do not touch each other. */
  takeRecorded(): readonly RecordedRequest[] {
    const taken = this.#recorded;
    this.#recorded = [];
    return taken;
  }

  /** Requests that `takeStanding` would give. */
  get standingCount(): number {
    return this.#recordedStanding.length;
  }

  /** Requests that `takeRecorded` would give. */
  get recordedCount(): number {
    return this.#recorded.length;
  }

  forgetReplies(): void {
    this.#replies.length = 0;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    this.#connections++;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // Proxies reset connections; the test sees what matters elsewhere.
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    let reply: UpstreamReply | undefined;
    let standing: UpstreamReply | undefined;
    const reader = new Http1Reader({
      kind: 'request',
      onHead: (head) => {
        standing = this.#standing.get(head.startLine.split(' ')[1] ?? '');
        reply = standing ?? this.#replies.shift() ?? { bytes: 'default' };
        if (reply.at === 'head') void this.#answer(socket, reader, reply, head.startLine);
      },
      onMessage: (message) => {
        (standing === undefined ? this.#recorded : this.#recordedStanding).push({
          ...message,
          upstream: this.name,
        });
        if (reply !== undefined && reply.at !== 'head') {
          void this.#answer(socket, reader, reply, message.startLine);
        }
      },
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
  }

  async #answer(socket: Socket, reader: Http1Reader, reply: UpstreamReply, startLine: string): Promise<void> {
    if (reply.then === 'echo') {
      reader.stop();
      socket.removeAllListeners('data');
      socket.removeAllListeners('end');
      socket.on('data', (chunk: Buffer) => socket.write(chunk));
      socket.on('end', () => socket.end());
    }
    await reply.after;
    if (reply.bytes !== undefined)
      socket.write(reply.bytes === 'default' ? this.#plain(startLine) : reply.bytes);
    if (reply.then === 'end') socket.end();
    if (reply.then === 'reset') socket.resetAndDestroy();
  }

  #plain(startLine: string): string {
    const [method = '', target = ''] = startLine.split(' ');
    const body = `${this.name} ${method} ${target}\n`;
    const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`;
    return method === 'HEAD' ? head : head + body;
  }
}
