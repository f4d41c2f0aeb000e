import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { PROXY_NODE_FLAGS, proxyNodeFlags } from '@heddle/supervisor';
import { forgeCertificate } from '@heddle/certs/testing';

/** Serves itself once over TLS, and prints how many session tickets the client got. */
const COUNT_TICKETS = `
const tls = require('node:tls');
const [, cert, key] = process.argv;
const server = tls.createServer({ cert, key, minVersion: 'TLSv1.3' }, (socket) => socket.end('x'));
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  let tickets = 0;
  const client = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  client.on('session', () => tickets++).resume();
  client.on('close', () => server.close(() => console.log(tickets)));
});
`;

describe('heddle-proxy as a program', () => {
  it('starts itself with the flags that everybody else starts it with', () => {
    const [first] = readFileSync(new URL('./main.js', import.meta.url), 'utf8').split('\n');
    assert.equal(first, `#!/usr/bin/env -S node ${PROXY_NODE_FLAGS.join(' ')}`);
  });

  it('has flags that this Node knows, and that bound its young generation', () => {
    const script =
      'let a; for (let i = 0; i < 3e6; i++) a = [i, a && a.length > 1 ? null : a];' +
      'console.log(require("v8").getHeapSpaceStatistics().find((s) => s.space_name === "new_space").space_size)';
    const bytes = Number(
      execFileSync(process.execPath, [...PROXY_NODE_FLAGS, '-e', script], { encoding: 'utf8' }),
    );
    assert.ok(bytes > 0 && bytes <= 3 * 4 * 1024 * 1024, `${bytes} bytes`);
  });

  it('gives one session ticket a handshake where a program starts it, and two are what Node gives', () => {
    const { certificatePem, keyPem } = forgeCertificate({ commonName: 'localhost' });
    const ticketsWith = (flags: readonly string[]): number =>
      Number(
        execFileSync(process.execPath, [...flags, '-e', COUNT_TICKETS, '--', certificatePem, keyPem], {
          encoding: 'utf8',
          env: { ...process.env, OPENSSL_CONF: '' },
        }),
      );
    assert.equal(ticketsWith(PROXY_NODE_FLAGS), 2);
    assert.equal(ticketsWith(proxyNodeFlags({})), 1);
  });
});
