import { createServer } from 'node:net';

/** Below the ports of outgoing connections, so that none of those takes a port between its choice and its use. */
const FIRST_PORT = 10_000;
const LAST_PORT = 19_999;

/** Test files run side by side: each begins at a place of its own. */
let next = FIRST_PORT + ((process.pid * 397) % (LAST_PORT - FIRST_PORT));

/** A loopback port that nobody listens on right now, for programs that must be told one. Each is given once. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = next;
    next = port === LAST_PORT ? FIRST_PORT : port + 1;
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
