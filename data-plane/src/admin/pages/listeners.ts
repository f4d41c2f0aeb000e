import { formatAddress } from '@heddle/engine';
import { envoy, toJson } from '@heddle/xds-protos';
import type { ListenerStatus } from '../../listener/listener-manager.js';
import { json, text, type AdminPage } from '../admin-page.js';
import { protoAddress } from '../proto-address.js';

/** `/listeners`, as text or JSON: names and the addresses that were bound. */
export function listenersPage(status: () => readonly ListenerStatus[]): AdminPage {
  return {
    path: '/listeners',
    description: 'print listener info',
    parameters: { format: 'One of text, json' },
    respond({ query }) {
      const listeners = status().filter((listener) => listener.state !== 'draining');
      if (query.get('format') !== 'json') {
        return text(
          listeners
            .flatMap(({ name, addresses }) => addresses.map((one) => `${name}::${formatAddress(one)}\n`))
            .join(''),
        );
      }
      return json(
        toJson(envoy.admin.v3.Listeners, {
          listenerStatuses: listeners.map(({ name, addresses: [first, ...more] }) => ({
            name,
            ...(first === undefined ? {} : { localAddress: protoAddress(first) }),
            additionalLocalAddresses: more.map(protoAddress),
          })),
        }),
      );
    },
  };
}
