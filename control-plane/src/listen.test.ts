import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { silentLogger } from '@heddle/common';
import { listen } from './listen.js';

describe('listen', () => {
  it('says that a port is taken, and outlives a connection that cannot be accepted', async () => {
    const [server, other] = [createServer(), createServer()];
    const port = await listen(server, '127.0.0.1', 0, silentLogger);
    await assert.rejects(listen(other, '127.0.0.1', port, silentLogger), { code: 'EADDRINUSE' });
    server.emit('error', new Error('accept EMFILE'));
    assert.ok(server.listening);
    server.close();
  });
});
