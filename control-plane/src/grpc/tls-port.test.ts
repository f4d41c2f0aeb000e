import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { requireSpiffeId } from '@heddle/certs';
import { createAuthority } from '@heddle/certs/authority';
import { createCertificateRequest, generateWorkloadKeyPair } from '@heddle/certs/workload';
import { silentLogger } from '@heddle/common';
import { createGrpcServer } from './grpc-server.js';
import { TlsPort, type TlsPortOptions } from './tls-port.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-tls-port-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const authority = createAuthority({ folder, trustDomain: 'td' });

describe('the TLS port', () => {
  const cleanups: (() => unknown)[] = [];
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  const start = async (options: Partial<TlsPortOptions> = {}): Promise<{ tls: TlsPort; port: number }> => {
    const grpc = createGrpcServer();
    const tls = new TlsPort({ grpc, context: context(), log: silentLogger, ...options });
    const port = await tls.listen('127.0.0.1', 0);
    cleanups.push(
      () => tls.close(),
      () => grpc.forceShutdown(),
    );
    return { tls, port };
  };
  const open = (port: number, options: ConnectionOptions = {}): TLSSocket => {
    const socket = connect({
      ...{ host: '127.0.0.1', port, ca: authority.rootsPem, ALPNProtocols: ['h2'] },
      ...options,
    });
    socket.on('error', () => undefined);
    cleanups.push(() => socket.destroy());
    return socket;
  };

  it('gives no session tickets that could be resumed with', async () => {
    const { port } = await start();
    const first = open(port);
    let session: Buffer | undefined;
    first.on('session', (ticket) => (session = ticket));
    await once(first, 'secureConnect');
    // A ticket would come with the first bytes, which are HTTP/2's settings.
    await once(first, 'data');
    const second = open(port, session === undefined ? {} : { session });
    await once(second, 'secureConnect');
    assert.equal(second.isSessionReused(), false);
  });

  it('closes a connection that does not speak HTTP/2, and goes on', async () => {
    const { port } = await start();
    await closed(open(port, { ALPNProtocols: ['http/1.1'] }));
    await once(open(port), 'secureConnect');
  });

  it('refuses what is older than TLS 1.2', async () => {
    const { tls, port } = await start();
    const old = open(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    await closed(old);
    assert.equal(tls.counts.handshakeFailures, 1);
  });

  it('shows new connections the new certificate, and leaves the old ones open', async () => {
    const { tls, port } = await start();
    const before = open(port);
    await once(before, 'secureConnect');
    tls.replaceContext(context());
    const later = open(port);
    await once(later, 'secureConnect');
    assert.notEqual(serialOf(later), serialOf(before));
    assert.equal(before.destroyed, false);
  });

  it('shakes as many hands at a time as it says, and serves who waits when one is done or gives up', async () => {
    const { port } = await start({ maxHandshakes: 2, handshakeTimeoutMs: 300 });
    const silent = await Promise.all([silence(port), silence(port)]);
    cleanups.push(() => silent.forEach((socket) => socket.destroy()));
    const ended = silent.map((socket) => closed(socket));
    const waiting = [open(port), open(port), open(port)];
    let isSecure = false;
    for (const socket of waiting) socket.once('secureConnect', () => (isSecure = true));
    (silent[0] as Socket).write('\x16');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isSecure, false, 'both places are taken by those who say nothing');
    await Promise.all(waiting.map((socket) => once(socket, 'secureConnect')));
    await Promise.all(ended);
  });

  it('closes and counts the connections that are too many', async () => {
    const { tls, port } = await start({ maxConnections: 2 });
    const kept = [open(port), open(port)];
    await Promise.all(kept.map((socket) => once(socket, 'secureConnect')));
    await closed(open(port));
    assert.deepEqual([tls.counts.connections, tls.counts.overflow], [2, 1]);
    kept[0]?.destroy();
    while (tls.counts.connections > 1) await new Promise((resolve) => setImmediate(resolve));
    await once(open(port), 'secureConnect');
  });

  it('ends every connection when it closes', async () => {
    const { tls, port } = await start();
    const socket = open(port);
    await once(socket, 'secureConnect');
    const ended = closed(socket);
    await tls.close();
    await ended;
  });
});

function context(): { key: string; cert: string; ca: string } {
  const identity = requireSpiffeId('spiffe://td/ns/heddle-system/sa/heddled');
  const keyPair = generateWorkloadKeyPair();
  const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] };
  return {
    key: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: authority.sign(createCertificateRequest(keyPair, identity), identity, names).chainPem,
    ca: authority.rootsPem,
  };
}

/** Also where it ends with an error. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Connected, and saying nothing. */
async function silence(port: number): Promise<Socket> {
  const socket = connectTcp({ host: '127.0.0.1', port });
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  return socket;
}

function serialOf(socket: TLSSocket): string {
  return socket.getPeerX509Certificate()?.serialNumber ?? '';
}
