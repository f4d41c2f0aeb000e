import type { Socket } from 'node:net';
import type { Logger } from '@heddle/common';
import type { AddressConfig } from '@heddle/engine';
import { originalDestinations, type FindOriginalDestination } from '@heddle/supervisor/original-destination';

/**
 * Finds where redirected connections were going. What asks the kernel is loaded with the first of them: a proxy into which
 * nothing is redirected carries none of it. Where it cannot be asked, that is logged once, and every connection counts as going
 * where it arrived.
 */
export function originalDestinationFinder(log: Logger): (socket: Socket) => AddressConfig | undefined {
  let find: FindOriginalDestination | undefined;
  return (socket) => {
    if (find === undefined) {
      const loaded = originalDestinations();
      if ('find' in loaded) find = loaded.find;
      else {
        log.error('original destinations cannot be found', { reason: loaded.reason });
        find = () => undefined;
      }
    }
    const found = find(socket);
    return found === undefined
      ? undefined
      : { kind: 'socket', host: found.host, port: found.port, protocol: 'tcp' };
  };
}
