// The process of the node-tls subject: the least that Node can do.
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { clientTls, serverTls } from '../load/bench-certificates.js';
import type { SubjectSetup } from './subject.js';

const setup = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as SubjectSetup;
const { side, resumes, certificates } = setup.handshakes as NonNullable<SubjectSetup['handshakes']>;

function serve(): net.Server {
  return tls.createServer({ ...serverTls(certificates), sessionIdContext: 'bench' }, (socket) => {
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end());
    socket.on('error', () => socket.destroy());
  });
}

function relay(): net.Server {
  const options = {
    ...clientTls(certificates),
    secureContext: tls.createSecureContext(clientTls(certificates)),
    host: '127.0.0.1',
    port: setup.backendPort,
    allowHalfOpen: true,
  };
  let session: Buffer | undefined;
  return net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = tls.connect(session === undefined ? options : { ...options, session });
    upstream.setNoDelay(true);
    if (resumes) upstream.on('session', (fresh: Buffer) => (session = fresh));
    client.on('data', (chunk) => upstream.write(chunk));
    client.on('end', () => upstream.end());
    upstream.on('data', (chunk) => client.write(chunk));
    upstream.on('end', () => client.end());
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
}

const server = side === 'server' ? serve() : relay();
server.listen({ port: setup.listenPort, host: '127.0.0.1', backlog: 4_096 });
process.once('SIGTERM', () => process.exit(0));
