import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

const PLAIN = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n';
const PIECE = Buffer.alloc(64 * 1024, 0x78);

/** A server of a drill that harms on request: what it does is said by the path. */
export class FaultyUpstream {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  requests = 0;

  constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  /** On every address of this machine. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '0.0.0.0', resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    let text = '';
    let bodyBytes = 0;
    socket.on('data', (chunk: Buffer) => {
      if (bodyBytes > 0) {
        bodyBytes -= chunk.length;
        if (bodyBytes <= 0) socket.write(PLAIN);
        return;
      }
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        this.requests++;
        if (head.includes(' /takes-nothing ')) {
          socket.pause();
          return;
        }
        const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
        if (length > text.length) {
          bodyBytes = length - text.length;
          text = '';
          return;
        }
        text = text.slice(length);
        this.#answer(socket, head.split(' ')[1] ?? '/');
      }
    });
  }

  #answer(socket: Socket, target: string): void {
    const { pathname, searchParams } = new URL(target, 'http://upstream');
    switch (pathname) {
      case '/breaks-off':
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe first part', () =>
          setTimeout(() => socket.resetAndDestroy(), 10),
        );
        return;
      case '/stalls':
        return;
      case '/hangs-up':
        socket.destroy();
        return;
      case '/until-end':
        socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end');
        return;
      case '/slow':
        setTimeout(() => socket.write(PLAIN), Number(searchParams.get('ms')));
        return;
      case '/large':
        this.#sendLarge(socket, Number(searchParams.get('bytes')));
        return;
      default:
        socket.write(PLAIN);
    }
  }

  #sendLarge(socket: Socket, bytes: number): void {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
    let left = bytes;
    const more = (): void => {
      while (left > 0) {
        const piece = left >= PIECE.length ? PIECE : PIECE.subarray(0, left);
        left -= piece.length;
        if (!socket.write(piece)) {
          socket.once('drain', more);
          return;
        }
      }
    };
    more();
  }
}
