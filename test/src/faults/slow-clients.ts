import { connect, type Socket } from 'node:net';

/** The ways to hold on to a server by being slow. */
export type Slowness =
  'says-nothing' | 'drips-the-head' | 'drips-the-body' | 'does-not-read' | 'stalls-a-chunk';

export const SLOWNESSES: readonly Slowness[] = [
  'says-nothing',
  'drips-the-head',
  'drips-the-body',
  'does-not-read',
  'stalls-a-chunk',
];

/** Units: ms. */
const DRIP_MS = 200;
const LARGE = 8 * 1024 * 1024;

/** Connections that are slow in one way, until the other side has enough or they are closed. */
export class SlowClients {
  readonly #sockets: Socket[] = [];
  readonly #drip: NodeJS.Timeout;
  readonly #kind: Slowness;
  open = 0;

  constructor(port: number, kind: Slowness, count: number) {
    this.#kind = kind;
    for (let i = 0; i < count; i++) this.#connect(port);
    this.#drip = setInterval(() => {
      for (const socket of this.#sockets) if (!socket.destroyed) this.#dribble(socket);
    }, DRIP_MS);
  }

  close(): void {
    clearInterval(this.#drip);
    for (const socket of this.#sockets) socket.destroy();
  }

  #connect(port: number): void {
    const socket = connect({ port, host: '127.0.0.1' });
    this.#sockets.push(socket);
    socket.on('connect', () => {
      this.open++;
      socket.write(FIRST[this.#kind]);
    });
    socket.on('error', () => {});
    socket.on('close', () => this.open--);
    if (this.#kind === 'does-not-read') socket.pause();
    else socket.resume();
  }

  #dribble(socket: Socket): void {
    if (this.#kind === 'drips-the-head') socket.write('a');
    if (this.#kind === 'drips-the-body') socket.write('b');
  }
}

const FIRST: Readonly<Record<Slowness, string>> = {
  'says-nothing': '',
  'drips-the-head': 'GET / HTTP/1.1\r\nHost: slow\r\nX-Slow: ',
  'drips-the-body': 'POST / HTTP/1.1\r\nHost: slow\r\nContent-Length: 100000\r\n\r\n',
  'does-not-read': `GET /large?bytes=${LARGE} HTTP/1.1\r\nHost: slow\r\n\r\n`,
  'stalls-a-chunk': 'POST / HTTP/1.1\r\nHost: slow\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc',
};

/** Units: bytes. */
const HUNDRED_MB = 100 * 1024 * 1024;
const PIECE = Buffer.alloc(256 * 1024, 0x79);

/** So many uploads of 100 MB to an upstream that takes nothing, and as many downloads that are not read. */
export class LargeBodies {
  readonly #sockets: Socket[] = [];

  constructor(port: number, each: number) {
    for (let i = 0; i < each; i++) {
      const upload = this.#connect(port);
      upload.write(`POST /takes-nothing HTTP/1.1\r\nHost: large\r\nContent-Length: ${HUNDRED_MB}\r\n\r\n`);
      let left = HUNDRED_MB;
      const more = (): void => {
        while (left > 0 && !upload.destroyed) {
          left -= PIECE.length;
          if (!upload.write(PIECE)) {
            upload.once('drain', more);
            return;
          }
        }
      };
      more();
      const download = this.#connect(port);
      download.pause();
      download.write(`GET /large?bytes=${HUNDRED_MB} HTTP/1.1\r\nHost: large\r\n\r\n`);
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #connect(port: number): Socket {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    this.#sockets.push(socket);
    return socket;
  }
}
