import { connect as connectPlainly, isIPv6, Socket, type NetConnectOpts } from 'node:net';
import { openClientAddressSocket } from '@heddle/supervisor/original-destination';
import { connectSocket, connectTlsSocket } from '../codec/socket-reads.js';
import type { SocketMakers } from './open-socket.js';

/** Tells why a connection could not be made from a client's address, and comes from where others come from. */
export type OnNoClientAddress = (reason: string) => void;

/**
 * The address of a client, from which plain connections are made upstream: who is connected to takes them for the client's own.
 * Those by TLS, to pipes and to addresses of another family come from where others come from.
 *
 * Source: envoy.extensions.filters.listener.original_src.v3.OriginalSrc.
 */
export class ClientAddress {
  readonly ip: string;
  readonly #bytes: Uint8Array;
  readonly #mark: number;
  readonly #onFailure: OnNoClientAddress;
  readonly #open: typeof openClientAddressSocket;

  constructor(
    ip: string,
    bytes: Uint8Array,
    mark: number,
    onFailure: OnNoClientAddress,
    open = openClientAddressSocket,
  ) {
    this.ip = ip;
    this.#bytes = bytes;
    this.#mark = mark;
    this.#onFailure = onFailure;
    this.#open = open;
  }

  /** As `connectSocket` is. */
  readonly sockets: SocketMakers = {
    connect: (options) => connectSocket(options, this.#connect),
    connectTls: connectTlsSocket,
  };

  readonly #connect = (options: NetConnectOpts): Socket => {
    if (!('port' in options) || options.host === undefined || isIPv6(options.host) !== isIPv6(this.ip))
      return connectPlainly(options);
    const opened = this.#open(this.#bytes, this.#mark);
    if ('reason' in opened) {
      this.#onFailure(opened.reason);
      return connectPlainly(options);
    }
    const { host, port, onread, allowHalfOpen = false } = options;
    // Without the last one, which is not documented, it would be read from before it is connected.
    const given = { fd: opened.descriptor, readable: true, writable: true, manualStart: true };
    const socket = new Socket({ ...given, allowHalfOpen, ...(onread === undefined ? {} : { onread }) });
    if (options.noDelay === true) socket.setNoDelay(true);
    if (options.keepAlive === true) socket.setKeepAlive(true, options.keepAliveInitialDelay);
    return socket.connect({ host, port });
  };
}
