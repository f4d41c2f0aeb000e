import { credentials, Client, type ServiceError } from '@grpc/grpc-js';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect, type Socket } from 'node:net';

const PINGS = 3;
const PAUSE_MS = 400;
const NO_ANSWER_MS = 20_000;
const BYTES = { encode: (bytes: Buffer): Buffer => bytes, decode: (bytes: Buffer): Buffer => bytes };

/** What a caller does on one connection until that connection is not to be used any more. Throws what failed. */
type Connection = (callers: ProtocolCallers) => Promise<void>;

/** Callers of one protocol, each with a connection of its own: when that is over they open the next. */
export class ProtocolCallers {
  readonly protocol: string;
  requests = 0;
  /** Requests that a client had not sent yet when it was told to go away: it sends them on its next connection. Source: RFC 9113 8.7. */
  notSent = 0;
  readonly failures = new Map<string, number>();
  stopped = false;
  readonly #loops: readonly Promise<void>[];

  constructor(protocol: string, callers: number, connection: Connection) {
    this.protocol = protocol;
    this.#loops = Array.from({ length: callers }, async () => {
      while (!this.stopped) {
        await connection(this).catch((thrown: unknown) => {
          const text = thrown instanceof Error ? thrown.message : String(thrown);
          const reason = `${protocol}: ${text.slice(0, 160)}`;
          this.failures.set(reason, (this.failures.get(reason) ?? 0) + 1);
        });
        await pause();
      }
    });
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.#loops);
  }
}

/** One request after the other on a connection of HTTP/2 by prior knowledge, until it is told to go away. */
export function http2Callers(port: number, callers: number): ProtocolCallers {
  return new ProtocolCallers('HTTP/2', callers, async (all) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    let isLeaving = false;
    session.on('error', () => undefined);
    session.once('goaway', () => (isLeaving = true));
    await once(session, 'connect');
    while (!isLeaving && !session.closed && !session.destroyed && !all.stopped) {
      const status = await http2Request(session).catch((thrown: unknown) => {
        if (isNotSent(thrown)) return undefined;
        throw thrown;
      });
      if (status === undefined) {
        all.notSent++;
        break;
      }
      all.requests++;
      if (status !== 200) throw new Error(`status ${status}`);
      await pause();
    }
    session.close();
  });
}

/** Unary calls, on a channel for each caller. */
export function grpcUnaryCallers(port: number, callers: number): ProtocolCallers {
  return new ProtocolCallers('gRPC unary', callers, async (all) => {
    const client = grpcClient(port);
    while (!all.stopped) {
      const failure = await new Promise<ServiceError | null>((resolve) =>
        client.makeUnaryRequest(
          '/test.Echo/Unary',
          BYTES.encode,
          BYTES.decode,
          Buffer.from('ping'),
          { deadline: Date.now() + NO_ANSWER_MS },
          (error) => resolve(error),
        ),
      );
      all.requests++;
      if (failure !== null && isNotSent(failure)) {
        all.notSent++;
        continue;
      }
      if (failure !== null) {
        client.close();
        throw failure;
      }
      await pause();
    }
    client.close();
  });
}

/** Streams that carry some messages each way and end well within the time of a drain, or that never end by themselves. */
export function grpcStreamCallers(port: number, callers: number, isEndless = false): ProtocolCallers {
  return new ProtocolCallers(
    isEndless ? 'gRPC stream without an end' : 'gRPC stream',
    callers,
    async (all) => {
      const client = grpcClient(port);
      try {
        while (!all.stopped) {
          await grpcStream(client, () => isEndless && !all.stopped);
          all.requests++;
          await pause();
        }
      } finally {
        client.close();
      }
    },
  );
}

/** Connections of TCP that some bytes go over both ways. */
export function tcpCallers(port: number, callers: number, isEndless = false): ProtocolCallers {
  return new ProtocolCallers(isEndless ? 'TCP without an end' : 'TCP', callers, async (all) => {
    const socket = await opened(port);
    await echoes(socket, () => isEndless && !all.stopped);
    all.requests++;
  });
}

/** The same inside an upgraded connection of HTTP/1.1. */
export function webSocketCallers(port: number, callers: number): ProtocolCallers {
  return new ProtocolCallers('WebSocket', callers, async (all) => {
    const socket = await opened(port);
    socket.write('GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const head = await nextBytes(socket);
    if (!head.toString('latin1').startsWith('HTTP/1.1 101 ')) {
      socket.destroy();
      throw new Error(head.toString('latin1').split('\r\n')[0]);
    }
    await echoes(socket, () => false);
    all.requests++;
  });
}

/** What Node's client had taken and not written when GOAWAY came it refuses by itself. */
function isNotSent(thrown: unknown): boolean {
  return /NGHTTP2_REFUSED_STREAM|Stream refused by server/.test(String(thrown));
}

function grpcClient(port: number): Client {
  return new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 50,
  });
}

function grpcStream(client: Client, goesOn: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = client.makeBidiStreamRequest('/test.Echo/Stream', BYTES.encode, BYTES.decode);
    const silence = setInterval(() => {
      if (performance.now() - heardMs > NO_ANSWER_MS)
        reject(new Error(`no answer to message ${answered + 1}`));
    }, 1000);
    let heardMs = performance.now();
    let answered = 0;
    const more = (): void => {
      if (answered < PINGS || goesOn()) stream.write(Buffer.from('ping'));
      else stream.end();
    };
    stream.on('data', () => {
      answered++;
      heardMs = performance.now();
      setTimeout(more, PAUSE_MS);
    });
    stream.on('error', reject);
    stream.on('status', ({ code, details }) => {
      clearInterval(silence);
      if (code === 0) resolve();
      else reject(new Error(`status ${code} ${details}`));
    });
    more();
  });
}

function http2Request(session: ClientHttp2Session): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': '/' });
    let status = 0;
    stream.setTimeout(NO_ANSWER_MS, () => reject(new Error('no answer')));
    stream.on('response', (headers) => (status = headers[':status'] ?? 0));
    stream.on('error', reject);
    stream.on('close', () => resolve(status));
    stream.resume();
    stream.end();
  });
}

async function echoes(socket: Socket, goesOn: () => boolean): Promise<void> {
  try {
    for (let i = 0; i < PINGS || goesOn(); i++) {
      socket.write('ping');
      const answer = await nextBytes(socket);
      if (answer.toString() !== 'ping') throw new Error(`an echo of ${answer.length} bytes`);
      await pause();
    }
  } finally {
    socket.destroy();
  }
}

async function opened(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.setTimeout(NO_ANSWER_MS, () => socket.destroy(new Error('no answer')));
  return socket;
}

function nextBytes(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed || socket.readableEnded) {
      reject(new Error('the connection ended'));
      return;
    }
    const onEnd = (): void => settle(() => reject(new Error('the connection ended')));
    const onError = (error: Error): void => settle(() => reject(error));
    const onData = (bytes: Buffer): void => settle(() => resolve(bytes));
    const settle = (how: () => void): void => {
      socket.off('data', onData).off('close', onEnd).off('end', onEnd).off('error', onError);
      how();
    };
    socket.on('data', onData).on('close', onEnd).on('end', onEnd).on('error', onError);
  });
}

function once(emitter: Socket | ClientHttp2Session, event: 'connect'): Promise<void> {
  return new Promise((resolve, reject) => {
    emitter.once(event, () => resolve());
    emitter.once('error', reject);
    emitter.once('close', () => reject(new Error('the connection was closed before it was there')));
  });
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
