import type { AddressInfo, Server } from 'node:net';
import type { Logger } from '@heddle/common';

/** Connections that may wait to be accepted: when a mesh comes back, all its proxies do so at once. Node's own bound is 511. */
const BACKLOG = 4096;

/**
 * Has a server listen. Resolves with the port. Errors: it is taken.
 *
 * What goes wrong with a single connection later (no file descriptor is left for it) is logged: it ends nothing else.
 */
export function listen(server: Server, host: string, port: number, log: Logger): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off('error', reject);
      server.on('error', (error) => log.error('a connection was not accepted', { error }));
      resolve((server.address() as AddressInfo).port);
    });
  });
}
