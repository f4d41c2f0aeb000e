import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TlsInfo } from '@heddle/engine';
import type { LeafCertificate } from './leaf-certificate.js';

const infos = new WeakMap<Socket, TlsInfo>();

/** What TLS told of a connection; undefined for plain text. */
export function tlsInfoOf(socket: Socket): TlsInfo | undefined {
  return infos.get(socket);
}

/** Records what is known of a connection once its peer is accepted. */
export function recordTlsInfo(
  socket: TLSSocket,
  serverName: string,
  peer: LeafCertificate | undefined,
  local: LeafCertificate | undefined,
): TlsInfo {
  const info: TlsInfo = Object.freeze({
    version: socket.getProtocol() === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3',
    cipherSuite: socket.getCipher().name,
    serverName,
    applicationProtocol: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
    resumed: socket.isSessionReused(),
    peer,
    local,
  });
  infos.set(socket, info);
  return info;
}
