import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { SharedSockets } from '@heddle/supervisor/shared-sockets';
import { bindServer, type SocketSource } from './bind-server.js';

const HOST = '127.0.0.1';
const CLIENTS = 12;
const TURNS = 4;

describe('bindServer', () => {
  it('takes several of those who come at once in one turn, where somebody else holds the socket', async (t) => {
    const sockets = new SharedSockets();
    const share = (): ReturnType<SharedSockets['listen']> => sockets.listen(0, 'crowd', HOST, 0, false);
    const known = await share();
    if (!known.ok) {
      t.skip(known.reason);
      return;
    }
    closeSync(known.descriptor);
    const held: SocketSource = {
      listen: async () => {
        const found = await share();
        return found.ok ? { ok: true, handle: { fd: found.descriptor }, port: found.port } : found;
      },
      unlisten: () => undefined,
    };
    let accepted = 0;
    const result = await bindServer(
      { kind: 'socket', host: HOST, port: known.port, protocol: 'tcp' },
      { name: 'crowd', tcpBacklogSize: 128, transparent: false },
      (socket) => {
        accepted++;
        socket.destroy();
      },
      held,
    );
    assert.ok(result.ok);
    const clients = Array.from({ length: CLIENTS }, () => connect(known.port, HOST));
    for (const client of clients) client.on('error', () => undefined);
    // One descriptor would take as many as there are turns.
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(accepted > TURNS, `${accepted} were accepted in ${TURNS} turns`);
    for (const client of clients) client.destroy();
    for (const server of result.servers) server.close();
    sockets.close();
  });
});
