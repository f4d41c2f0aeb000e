import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Logger } from '@heddle/common';
import type { HeldSockets } from '@heddle/supervisor/held-sockets';
import { formatAnswer } from './answer.js';
import type { DnsResolution } from './dns-resolution.js';
import { MessageReader, framed } from './framed-messages.js';

export interface DnsServerOptions {
  readonly log: Logger;
  readonly resolution: DnsResolution;
  /** Loopback addresses: nobody else is to ask. */
  readonly hosts: readonly string[];
  readonly port: number;
  /** The supervisor that holds our listening sockets, if there is one. */
  readonly heldSockets?: Pick<HeldSockets, 'listen'> | undefined;
}

const MOST_TCP_CONNECTIONS = 256;
const TCP_IDLE_MS = 10_000;
/** Questions of one connection that may wait for their answers. */
const MOST_PIPELINED = 32;

/** Answers DNS over UDP and TCP, where rules of interception lead every question of an application. */
export class DnsServer {
  readonly #options: DnsServerOptions;
  readonly #udp: UdpSocket[] = [];
  readonly #tcp: Server[] = [];
  readonly #connections = new Set<Socket>();

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  /** Errors: rejects when no address can be bound. */
  async start(): Promise<void> {
    const { hosts, port, log } = this.#options;
    const results = await Promise.allSettled(hosts.map((host) => this.#listen(host, port)));
    const failures = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as Error] : [],
    );
    if (failures.length === hosts.length) throw failures[0] ?? new Error('no address to answer DNS on');
    // A machine without IPv6 has no ::1.
    for (const { message } of failures) log.info('DNS is not answered on an address', { reason: message });
  }

  close(): void {
    for (const socket of this.#udp.splice(0)) socket.close();
    for (const server of this.#tcp.splice(0)) server.close();
    for (const connection of this.#connections) connection.destroy();
  }

  async #listen(host: string, port: number): Promise<void> {
    // A proxy that replaces another listens beside it for a while; questions go to the newer one.
    const udp = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', reuseAddr: true });
    const tcp = createServer((socket) => this.#onConnection(socket));
    try {
      const held = await this.#options.heldSockets?.listen(host, port, host.includes(':'));
      if (held?.ok === false) throw new Error(held.reason);
      // TCP first: where any port will do, one that is free for it is more rarely taken for UDP than the other way round.
      await new Promise<void>((resolve, reject) => {
        tcp.once('error', reject);
        if (held === undefined) tcp.listen(port, host, resolve);
        else tcp.listen(held.handle, resolve);
      });
      const { port: bound } = tcp.address() as AddressInfo;
      await new Promise<void>((resolve, reject) => {
        udp.once('error', reject);
        udp.bind(bound, host, resolve);
      });
    } catch (cause) {
      udp.close();
      tcp.close();
      throw cause;
    }
    const onError = (error: Error): void => this.#options.log.warn('DNS server', { error });
    udp.removeAllListeners('error').on('error', onError);
    tcp.removeAllListeners('error').on('error', onError);
    tcp.maxConnections = MOST_TCP_CONNECTIONS;
    udp.on('message', (request, from) => {
      this.#options.resolution.resolve(request, (answer, query) => {
        if (answer === undefined) return;
        const fits = query === undefined || answer.length <= query.mostBytes;
        // Whoever asked may be gone, and the socket closed.
        if (this.#udp.includes(udp))
          udp.send(
            fits ? answer : formatAnswer(request, query, { isTruncated: true }),
            from.port,
            from.address,
            () => undefined,
          );
      });
    });
    this.#udp.push(udp);
    this.#tcp.push(tcp);
  }

  /** Where it answers, for tests. */
  get ports(): readonly number[] {
    return this.#udp.map((socket) => socket.address().port);
  }

  #onConnection(socket: Socket): void {
    this.#connections.add(socket);
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => this.#connections.delete(socket));
    let waiting = 0;
    const reader = new MessageReader((request) => {
      if (++waiting > MOST_PIPELINED) {
        socket.destroy();
        return;
      }
      this.#options.resolution.resolve(Buffer.from(request), (answer) => {
        waiting--;
        if (socket.destroyed) return;
        if (answer === undefined) socket.destroy();
        else socket.write(framed(answer));
      });
    });
    socket.on('data', (chunk) => reader.read(chunk));
  }
}
