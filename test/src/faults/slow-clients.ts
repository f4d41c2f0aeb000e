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
