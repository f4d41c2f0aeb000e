// The backend's own process, where there is no nginx: fixed 200 answers over node:net, chosen by the end of the path.
import net from 'node:net';
import { BODY_SIZES } from './body-size.js';

const REQUEST_LIMIT_BYTES = 64 * 1024;

const responses = new Map(
  Object.entries(BODY_SIZES).map(([name, bodyBytes]) => [
    name,
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${bodyBytes}\r\n\r\n`,
        'latin1',
      ),
      Buffer.alloc(bodyBytes, 'x'),
    ]),
  ]),
);
const notFound = Buffer.from('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n', 'latin1');

const server = net.createServer({ noDelay: true }, (socket) => {
  let pending = '';
  socket.on('data', (chunk) => {
    pending += chunk.toString('latin1');
    let headEnd = pending.indexOf('\r\n\r\n');
    while (headEnd !== -1) {
      const pathEnd = pending.indexOf(' ', 4);
      const path = pending.slice(4, pathEnd);
      socket.write(responses.get(path.slice(path.lastIndexOf('/') + 1)) ?? notFound);
      pending = pending.slice(headEnd + 4);
      headEnd = pending.indexOf('\r\n\r\n');
    }
    if (pending.length > REQUEST_LIMIT_BYTES) socket.destroy();
  });
  socket.on('error', () => socket.destroy());
});
server.listen(Number(process.argv[2]), '127.0.0.1', 4_096);
