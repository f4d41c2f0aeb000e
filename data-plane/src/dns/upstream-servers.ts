import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect, isIP, type Socket } from 'node:net';
import { randomInt } from 'node:crypto';
import type { Clock, Timer } from '@heddle/common';
import { parseIp } from '@heddle/engine';
import { MessageReader, framed } from './framed-messages.js';
import { HEADER_BYTES, isTruncated, parseQuery, repeatsQuestion } from './message.js';

/** A name server that is asked for what is not of the mesh. */
export interface UpstreamServer {
  readonly host: string;
  readonly port: number;
  /** UDP, and TCP for what does not fit; or TCP alone. */
  readonly protocol: 'udp' | 'tcp';
}

/** Asks one name server; calls back once, with undefined when no answer came. */
export interface AskServer {
  (server: UpstreamServer, request: Buffer, callback: (answer: Buffer | undefined) => void): void;
}

const TIMEOUT_MS = 3_000;
/** As many as the GNU library took before it had no limit. */
const MOST_SEARCH_DOMAINS = 6;

/**
 * Asks over the network, from `sourceAddress` where one is given. Each question gets a port and an id of its own, so that nobody
 * can guess an answer to it.
 */
export function askOverNetwork(clock: Clock, sourceAddress: string | undefined): AskServer {
  return (server, request, callback) => {
    const own = Buffer.from(request);
    own.writeUInt16BE(randomInt(0x10000), 0);
    const finish = (answer: Buffer | undefined): void => {
      if (answer !== undefined) answer.writeUInt16BE(request.readUInt16BE(0), 0);
      callback(answer);
    };
    if (server.protocol === 'tcp') {
      askByTcp(clock, server, own, sourceAddress, finish);
      return;
    }
    askByUdp(clock, server, own, sourceAddress, (answer) => {
      // Where TCP leads nowhere, whoever asked may still try.
      if (answer === undefined || !isTruncated(answer)) finish(answer);
      else askByTcp(clock, server, own, sourceAddress, (whole) => finish(whole ?? answer));
    });
  };
}

function askByUdp(
  clock: Clock,
  server: UpstreamServer,
  request: Buffer,
  sourceAddress: string | undefined,
  callback: (answer: Buffer | undefined) => void,
): void {
  const socket = createSocket(isIP(server.host) === 6 ? 'udp6' : 'udp4');
  let done = false;
  const finish = (answer: Buffer | undefined): void => {
    if (done) return;
    done = true;
    timer.cancel();
    socket.close();
    callback(answer);
  };
  const timer: Timer = clock.setTimer(TIMEOUT_MS, () => finish(undefined));
  socket.on('error', () => finish(undefined));
  socket.on('message', (message, from) => {
    // Whatever else comes is not what was asked for, and may be somebody's guess.
    const isFromServer = from.port === server.port && isSameAddress(from.address, server.host);
    if (isFromServer && isAnswerTo(request, message)) finish(Buffer.from(message));
  });
  socket.bind({ port: 0, ...(sourceAddress === undefined ? {} : { address: sourceAddress }) }, () => {
    if (!done) socket.send(request, server.port, server.host);
  });
}

function askByTcp(
  clock: Clock,
  server: UpstreamServer,
  request: Buffer,
  sourceAddress: string | undefined,
  callback: (answer: Buffer | undefined) => void,
): void {
  const socket: Socket = connect({
    host: server.host,
    port: server.port,
    ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
  });
  let done = false;
  const finish = (answer: Buffer | undefined): void => {
    if (done) return;
    done = true;
    timer.cancel();
    socket.destroy();
    callback(answer);
  };
  const timer: Timer = clock.setTimer(TIMEOUT_MS, () => finish(undefined));
  const reader = new MessageReader((message) => {
    if (isAnswerTo(request, message)) finish(Buffer.from(message));
  });
  socket.on('error', () => finish(undefined));
  socket.on('close', () => finish(undefined));
  socket.on('data', (chunk) => reader.read(chunk));
  socket.write(framed(request));
}

/** Whoever guesses has to guess the id, our port, and the question with the case of its letters. */
function isAnswerTo(request: Buffer, message: Buffer): boolean {
  const query = parseQuery(request);
  return (
    query !== 'ignored' &&
    'end' in query &&
    message.length >= HEADER_BYTES &&
    message.readUInt16BE(0) === query.id &&
    ((message[2] as number) & 0x80) !== 0 &&
    repeatsQuestion(request, query, message)
  );
}

/** IPv6 can be written in several ways. */
function isSameAddress(one: string, other: string): boolean {
  const bytes = parseIp(one.replace(/%.*$/, ''));
  const others = parseIp(other);
  return bytes !== undefined && others !== undefined && Buffer.compare(bytes, others) === 0;
}

const SERVER = /^(?:(udp|tcp):\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+))(?::(\d{1,5}))?$/;

/** Reads `10.0.0.1`, `tcp://10.0.0.1:53`, `[fd00::1]:53`; undefined where it is none of these. */
export function parseUpstreamServer(text: string): UpstreamServer | undefined {
  const match = SERVER.exec(text);
  const host = match?.[2] ?? match?.[3] ?? '';
  const port = Number(match?.[4] ?? 53);
  if (isIP(host) === 0 || port < 1 || port > 65_535) return undefined;
  return { host, port, protocol: match?.[1] === 'tcp' ? 'tcp' : 'udp' };
}

/** What the machine's resolver is told: at most three name servers count. Source: resolv.conf(5). */
export interface SystemResolver {
  readonly servers: readonly UpstreamServer[];
  /** What is added to names that are not whole. */
  readonly searchDomains: readonly string[];
}

export function systemResolver(file = '/etc/resolv.conf'): SystemResolver {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return { servers: [], searchDomains: [] };
  }
  const lines = text.split('\n');
  const servers = lines
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1]?.replace(/%.*$/, ''))
    .filter((host) => host !== undefined && isIP(host) !== 0)
    .slice(0, 3)
    .map((host): UpstreamServer => ({ host: host as string, port: 53, protocol: 'udp' }));
  // The last line counts; a dot alone is the root, which adds nothing.
  const search = lines
    .map((line) => /^\s*(?:search|domain)\s+(.*)$/.exec(line)?.[1])
    .findLast((line) => line !== undefined);
  const searchDomains = (search ?? '')
    .split(/\s+/)
    .map((domain) => domain.replace(/\.$/, '').toLowerCase())
    .filter((domain) => domain !== '')
    .slice(0, MOST_SEARCH_DOMAINS);
  return { servers, searchDomains };
}
