import net from 'node:net';
import { answerCommands } from './answer-commands.js';
import type { TcpCommand, TcpReport } from './tcp-protocol.js';

const PATIENCE_MS = 20_000;
const PIECE = Buffer.alloc(1024 * 1024, 'x');
const READ_BYTES = 256 * 1024;
/** What a client says first: one letter for what it wants, and how many bytes of it. */
const REQUEST_BYTES = 9;
const ECHO = 'e';
const DOWNLOAD = 'd';
const UPLOAD = 'u';

function handle(command: TcpCommand): Promise<TcpReport> {
  switch (command.kind) {
    case 'serve':
      return serve();
    case 'connections':
      return many(command.count, command.concurrency, () => echoOnce(command.port));
    case 'transfers': {
      const { port, direction, connections, bytesEach } = command;
      const one = direction === 'download' ? download : upload;
      return many(connections, connections, () => one(port, bytesEach));
    }
  }
}

function serve(): Promise<TcpReport> {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
  return new Promise((resolve) => {
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
      const { port } = server.address() as net.AddressInfo;
      resolve({ port, completed: 0, failed: 0, firstFailure: undefined, elapsedMs: 0 });
    });
  });
}

function onConnection(socket: net.Socket): void {
  socket.on('error', () => socket.destroy());
  socket.once('data', (head: Buffer) => {
    const kind = head.toString('latin1', 0, 1);
    const bytes = Number(head.readBigUInt64BE(1));
    if (kind === ECHO) {
      socket.write(ECHO);
      socket.once('end', () => socket.end());
    } else if (kind === DOWNLOAD) send(socket, bytes);
    else {
      let received = head.length - REQUEST_BYTES;
      socket.on('data', (chunk: Buffer) => (received += chunk.length));
      socket.once('end', () => socket.end(requestOf(UPLOAD, received)));
    }
  });
}

/** Writes so many bytes and ends. */
function send(socket: net.Socket, bytes: number): void {
  let left = bytes;
  const pump = (): void => {
    while (left > 0) {
      const piece = left >= PIECE.length ? PIECE : PIECE.subarray(0, left);
      left -= piece.length;
      if (!socket.write(piece)) return;
    }
    socket.removeListener('drain', pump);
    socket.end();
  };
  socket.on('drain', pump);
  pump();
}

function requestOf(kind: string, bytes: number): Buffer {
  const head = Buffer.alloc(REQUEST_BYTES, kind, 'latin1');
  head.writeBigUInt64BE(BigInt(bytes), 1);
  return head;
}

function echoOnce(port: number): Promise<void> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  let answer = '';
  socket.once('connect', () => socket.write(requestOf(ECHO, 1)));
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
    if (answer === ECHO) socket.end();
  });
  return untilClosed(socket, () => (answer === ECHO ? undefined : `answered ${JSON.stringify(answer)}`));
}

function download(port: number, bytes: number): Promise<void> {
  let received = 0;
  const onread = {
    buffer: Buffer.allocUnsafe(READ_BYTES),
    callback: (count: number): boolean => {
      received += count;
      return true;
    },
  };
  const socket = net.connect({ port, host: '127.0.0.1', onread });
  socket.once('connect', () => socket.write(requestOf(DOWNLOAD, bytes)));
  return untilClosed(socket, () =>
    received === bytes ? undefined : `${received} bytes came instead of ${bytes}`,
  );
}

function upload(port: number, bytes: number): Promise<void> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let told = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => (told = Buffer.concat([told, chunk])));
  socket.once('connect', () => {
    socket.write(requestOf(UPLOAD, bytes));
    send(socket, bytes);
  });
  return untilClosed(socket, () =>
    told.equals(requestOf(UPLOAD, bytes)) ? undefined : 'not everything arrived at the server',
  );
}

function untilClosed(socket: net.Socket, problem: () => string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`nothing for ${PATIENCE_MS} ms`)));
    socket.once('error', reject);
    socket.once('close', () => {
      const found = problem();
      if (found === undefined) resolve();
      else reject(new Error(found));
    });
  });
}

/** Runs `one` so many times, so many at a time. */
async function many(count: number, concurrency: number, one: () => Promise<void>): Promise<TcpReport> {
  let left = count;
  let completed = 0;
  let failed = 0;
  let firstFailure: string | undefined;
  const startMs = performance.now();
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      try {
        await one();
        completed++;
      } catch (error) {
        failed++;
        firstFailure ??= String(error);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { port: 0, completed, failed, firstFailure, elapsedMs: performance.now() - startMs };
}

answerCommands(handle);
