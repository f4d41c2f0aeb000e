import { createSocket } from 'node:dgram';
import { connect, type Server, type Socket } from 'node:net';
import type { FindOriginalDestination } from '@heddle/supervisor/original-destination';
import { NETWORK, SIDECAR_PORTS, pairsOf, type Family, type PodAddresses } from './pod-addresses.js';

/** A pod whose rules are set, before anybody serves on the sockets of its sidecar. */
export interface PodUnderTest {
  readonly addresses: PodAddresses;
  /** The sidecar's sockets, which nothing is accepted from yet but here. */
  readonly servers: Readonly<
    Record<'outbound' | 'inbound' | 'dns', Readonly<Partial<Record<Family, Server>>>>
  >;
  readonly find: FindOriginalDestination;
  /** How long a step may take before it counts as failed. */
  readonly timeoutMs: number;
}

/** A name server that nobody has. Source: RFC 5737, RFC 3849. */
const NO_NAME_SERVER = { v4: '203.0.113.53', v6: '2001:db8::53' } as const;
const PORT = 80;
const DNS_PORT = 53;

/**
 * Whether everything that a workload does with the network will come to its sidecar, in each family: its connections, connections
 * to it, and its DNS questions; and whether the sidecar's own connections pass.
 *
 * Shape: what does not hold, each in a sentence for people; empty: all of it holds.
 */
export async function selfTest(pod: PodUnderTest): Promise<readonly string[]> {
  const findings = await Promise.all(pairsOf(pod.addresses).map(([family]) => testFamily(pod, family)));
  return findings.flat();
}

async function testFamily(pod: PodUnderTest, family: Family): Promise<readonly string[]> {
  const { servers, addresses } = pod;
  const { nowhere } = NETWORK[family];
  const pair = addresses[family];
  if (pair === undefined) return [];
  const outbound = await arrives(pod, servers.outbound[family], { host: nowhere, port: PORT });
  const inbound = await arrives(
    pod,
    servers.inbound[family],
    { host: pair.application, port: PORT },
    pair.sidecar,
  );
  const byTcp = await arrives(pod, servers.dns[family], { host: NO_NAME_SERVER[family], port: DNS_PORT });
  const byUdp = await questionArrives(pod, family);
  const own = await leaves(pod, servers.outbound[family], { host: nowhere, port: PORT }, pair.sidecar);
  const shown = family === 'v4' ? 'IPv4' : 'IPv6';
  const finding = (problem: string | undefined, what: string, meaning: string): readonly string[] =>
    problem === undefined ? [] : [`${shown}: ${what} ${problem}: ${meaning}`];
  return [
    ...finding(outbound, 'connections of the application', 'they would go past the sidecar'),
    ...finding(inbound, 'connections to the application', 'others would reach it past its sidecar'),
    ...finding(byTcp, 'DNS questions by TCP', 'names of the mesh would not be known'),
    ...finding(byUdp, 'DNS questions by UDP', 'names of the mesh would not be known'),
    ...finding(own, 'connections of the sidecar', 'it would call itself, or nobody'),
  ];
}

interface Destination {
  readonly host: string;
  readonly port: number;
}

/** Why a connection does not come to a socket, as going where it goes. */
async function arrives(
  { find, timeoutMs }: PodUnderTest,
  server: Server | undefined,
  to: Destination,
  localAddress?: string,
): Promise<string | undefined> {
  if (server === undefined) return 'have no socket to come to';
  const client = connectFrom(to, localAddress);
  const arrived = await first<Socket | string>(timeoutMs, (resolve) => {
    const onConnection = (socket: Socket): void => resolve(socket);
    server.once('connection', onConnection);
    client.once('error', (error: NodeJS.ErrnoException) => resolve(`fail (${error.code ?? error.message})`));
    client.once('end', () => resolve('are answered by somebody else'));
    client.resume();
    return () => server.removeListener('connection', onConnection);
  });
  let problem: string | undefined;
  if (typeof arrived !== 'object') problem = arrived ?? 'do not come to it';
  else {
    const destination = find(arrived);
    arrived.destroy();
    if (destination?.host !== to.host || destination.port !== to.port) {
      const found = destination === undefined ? 'nowhere' : `${destination.host}:${destination.port}`;
      problem = `come to it as going to ${found}, and not to ${to.host}:${to.port}`;
    }
  }
  client.destroy();
  return problem;
}

/** Why a connection does not leave the pod. Out there it is closed, because nobody has the address. */
async function leaves(
  { timeoutMs }: PodUnderTest,
  server: Server | undefined,
  to: Destination,
  localAddress: string,
): Promise<string | undefined> {
  const client = connectFrom(to, localAddress);
  const outcome = await first<'left' | string>(timeoutMs, (resolve) => {
    const onConnection = (socket: Socket): void => {
      socket.destroy();
      resolve('are led back to it');
    };
    server?.once('connection', onConnection);
    client.once('connect', () => client.resume());
    client.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNRESET' ? 'left' : `fail (${error.code ?? error.message})`);
    });
    client.once('end', () => resolve('left'));
    return () => server?.removeListener('connection', onConnection);
  });
  client.destroy();
  return outcome === 'left' ? undefined : (outcome ?? 'do not get out of the pod');
}

/** Why a question by UDP does not come to the sidecar. */
async function questionArrives({ timeoutMs }: PodUnderTest, family: Family): Promise<string | undefined> {
  const kind = family === 'v4' ? 'udp4' : 'udp6';
  const [dns, client] = [createSocket(kind), createSocket(kind)];
  const outcome = await first<'came' | string>(timeoutMs, (resolve) => {
    for (const socket of [dns, client])
      socket.once('error', (error: NodeJS.ErrnoException) =>
        resolve(`fail (${error.code ?? error.message})`),
      );
    dns.once('message', () => resolve('came'));
    dns.bind(SIDECAR_PORTS.dns, NETWORK[family].machineLoopback, () =>
      client.send('?', DNS_PORT, NO_NAME_SERVER[family]),
    );
    return () => undefined;
  });
  dns.close();
  client.close();
  return outcome === 'came' ? undefined : (outcome ?? 'do not come to it');
}

function connectFrom(to: Destination, localAddress: string | undefined): Socket {
  const client = connect({ ...to, ...(localAddress === undefined ? {} : { localAddress }) });
  client.on('error', () => undefined);
  return client;
}

/** The first outcome, or undefined when the time is over. */
function first<T>(
  timeoutMs: number,
  start: (resolve: (outcome: T) => void) => () => unknown,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const end = (outcome: T | undefined): void => {
      clearTimeout(timer);
      // It may be over before `start` has returned.
      setImmediate(() => stop());
      resolve(outcome);
    };
    const timer = setTimeout(() => end(undefined), timeoutMs);
    const stop = start(end);
  });
}
