import { connect } from 'node:net';
import { eventually } from '../../support/eventually.js';
import type { ConformanceSuite } from '../conformance-suite.js';

function refuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', () => resolve(true));
  });
}

export const listeners: ConformanceSuite = {
  file: '20-listeners',
  upstreams: ['b1'],
  rows: [
    { title: 'the plain listener', observe: (proxy) => proxy.request('/') },
    ...['127.0.0.2', '127.0.0.3', '127.9.1.1', '127.5.0.1'].map(
      (localAddress) =>
        ({
          title: `by source address ${localAddress}`,
          observe: (proxy) =>
            proxy.request('/', { port: 'SOURCE', localAddress, untilClosed: localAddress === '127.5.0.1' }),
        }) satisfies ConformanceSuite['rows'][number],
    ),
    { title: 'by destination port', observe: (proxy) => proxy.request('/', { port: 'DESTINATION' }) },
    { title: 'the default chain', observe: (proxy) => proxy.request('/', { port: 'DEFAULT' }) },
    {
      title: 'draining by the admin page: connections are closed with their next answer, then nobody listens',
      observe: async (proxy) => {
        const before = await proxy.request('/before');
        const admin = `http://127.0.0.1:${proxy.port('ADMIN')}`;
        const answer = await fetch(`${admin}/drain_listeners`, { method: 'POST' });
        const text = await answer.text();
        await eventually(
          () => refuses(proxy.port('HTTP')),
          () => 'the listener still accepts',
        );
        return { before, drained: answer.status, text };
      },
    },
  ],
};
