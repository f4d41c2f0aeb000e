import { createSocket } from 'node:dgram';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { createHash } from 'node:crypto';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { APPLICATION_PORTS, ECHO_METHOD, NAMES, plainAddress } from './applications.js';

/**
 * Applications of a pod that know nothing of a mesh. Each says from which address it was called.
 *
 *   node served-applications.js [redis]     with a Redis of its own, where there is no real one
 */
const { http, webSocket, grpc, postgres, redis, dns } = APPLICATION_PORTS;
const WEB_SOCKET_KEY = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

createHttpServer((request, response) => {
  let body = 0;
  request.on('data', (chunk: Buffer) => (body += chunk.length));
  request.on('end', () => response.end(`${plainAddress(request.socket.remoteAddress)} ${body}`));
}).listen(http, '::');

const upgrading = createHttpServer((_request, response) => response.writeHead(426).end());
upgrading.on('upgrade', (request, socket) => {
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}${WEB_SOCKET_KEY}`)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const address = plainAddress((socket as Socket).remoteAddress);
  socket.on('error', () => undefined);
  socket.once('data', (frame: Buffer) => {
    const mask = frame.subarray(2, 6);
    const text = Buffer.from(frame.subarray(6).map((byte, index) => byte ^ (mask[index % 4] as number)));
    const answer = Buffer.concat([text, Buffer.from(` ${address}`)]);
    socket.end(Buffer.concat([Buffer.from([0x81, answer.length]), answer]));
  });
});
upgrading.listen(webSocket, '::');

const calls = new Server();
calls.addService(
  { say: ECHO_METHOD },
  {
    say: (
      call: { readonly request: Buffer; getPeer(): string },
      answer: (error: null, value: Buffer) => void,
    ) => {
      const peer = call.getPeer().replace(/:\d+$/, '').replaceAll(/[[\]]/g, '');
      answer(null, Buffer.concat([call.request, Buffer.from(` ${plainAddress(peer)}`)]));
    },
  },
);
calls.bindAsync(`[::]:${grpc}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});

/** Speaks first, as PostgreSQL and MySQL do in their ways. */
createServer((socket) => {
  socket.on('error', () => undefined);
  socket.write(`welcome ${plainAddress(socket.remoteAddress)}\n`);
  socket.on('data', (chunk) => socket.end(`you said ${String(chunk)}`));
}).listen(postgres, '::');

if (process.argv.includes('redis')) {
  const kept = new Map<string, string>();
  createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      const words = String(chunk)
        .split('\r\n')
        .filter((word) => word !== '' && !/^[*$]\d+$/.test(word));
      const [command = '', key = '', value = ''] = words;
      const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
      if (command === 'SET') socket.write(kept.set(key, value) && '+OK\r\n');
      else if (command === 'GET') socket.write(bulk(kept.get(key) ?? ''));
      else socket.write(bulk(`id=1 addr=${plainAddress(socket.remoteAddress)}:${socket.remotePort} laddr=x`));
    });
  }).listen(redis, '::');
}

/** A name server that knows a name, and nothing else. */
const names = createSocket({ type: 'udp6' });
names.on('message', (request, from) => {
  const end = request.indexOf(0, 12) + 5;
  const type = request.readUInt16BE(end - 4);
  const name = request.toString('latin1', 13, end - 5);
  const data = name.startsWith(NAMES.known.split('.')[0] as string) ? NAMES.records.get(type) : undefined;
  const answer = Buffer.concat([
    request.subarray(0, end),
    ...(data === undefined
      ? []
      : [Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length]), data]),
  ]);
  answer.writeUInt16BE(data === undefined ? 0x8183 : 0x8180, 2);
  answer.writeUInt16BE(data === undefined ? 0 : 1, 6);
  answer.writeUInt16BE(0, 10);
  names.send(answer, from.port, from.address);
});
names.bind(dns, '::');
