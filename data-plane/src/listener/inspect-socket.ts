import type { Socket } from 'node:net';
import type { Clock } from '@heddle/common';
import { parseClientHello } from './client-hello.js';

/** What the first bytes of a connection tell. */
export interface Inspection {
  readonly transportProtocol: 'tls' | 'raw_buffer' | '';
  readonly serverName: string;
  readonly applicationProtocols: readonly string[];
  /** Read already; whoever takes the connection gets these first. */
  readonly early: Buffer | undefined;
}

export interface InspectOptions {
  readonly clock: Clock;
  readonly looksForTls: boolean;
  readonly looksForHttp: boolean;
  /** 0 disables. */
  readonly timeoutMs: number;
  /** Read already, of what is to be looked at. */
  readonly early?: Buffer | undefined;
}

/** A ClientHello may be this long; more is not looked at. */
const MOST_BYTES = 16 * 1024;

const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const REQUEST_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32} [^\r\n]+ (HTTP\/1\.[01])\r?\n/;
const MAYBE_REQUEST_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}( [^\r\n]*\r?)?$/;

/**
 * Reads the first bytes of a connection to find out what it speaks; the socket is paused afterwards.
 *
 * Source: Envoy's tls_inspector and http_inspector. Calls back once: with what was found, or `undefined` when the connection
 * ended or nothing came in time. Returns what ends it at once, as if nothing were to be found; undefined where it is over.
 */
export function inspectSocket(
  socket: Socket,
  options: InspectOptions,
  callback: (inspection: Inspection | undefined, timedOut: boolean) => void,
): (() => void) | undefined {
  const chunks: Buffer[] = [];
  let isOver = false;
  const finish = (inspection: Inspection | undefined, timedOut: boolean): void => {
    isOver = true;
    timer?.cancel();
    socket.pause();
    socket.removeListener('data', onData);
    socket.removeListener('end', onEnd);
    socket.removeListener('close', onEnd);
    callback(inspection, timedOut);
  };
  const giveUp = (timedOut: boolean): void => {
    const early = chunks.length === 0 ? undefined : Buffer.concat(chunks);
    finish({ transportProtocol: '', serverName: '', applicationProtocols: [], early }, timedOut);
  };
  const timer =
    options.timeoutMs > 0 ? options.clock.setTimer(options.timeoutMs, () => giveUp(true)) : undefined;
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    const found = inspect(bytes, options);
    if (found !== undefined) finish(found, false);
  };
  const onEnd = (): void => finish(undefined, false);
  socket.on('data', onData);
  socket.once('end', onEnd);
  socket.once('close', onEnd);
  if (options.early !== undefined) onData(options.early);
  // It may have waited, paused.
  if (isOver) return undefined;
  socket.resume();
  return () => {
    if (!isOver) giveUp(false);
  };
}

/** Undefined when more bytes are needed. */
export function inspect(
  bytes: Buffer,
  options: Pick<InspectOptions, 'looksForTls' | 'looksForHttp'>,
): Inspection | undefined {
  const raw = {
    transportProtocol: 'raw_buffer',
    serverName: '',
    applicationProtocols: [],
    early: bytes,
  } as const;
  const isFull = bytes.length >= MOST_BYTES;
  if (options.looksForTls) {
    const hello = parseClientHello(bytes);
    if (hello === 'more' && !isFull) return undefined;
    if (typeof hello === 'object') {
      return {
        transportProtocol: 'tls',
        serverName: hello.serverName,
        applicationProtocols: hello.applicationProtocols,
        early: bytes,
      };
    }
  }
  if (!options.looksForHttp) return raw;
  if (bytes.subarray(0, HTTP2_PREFACE.length).equals(HTTP2_PREFACE.subarray(0, bytes.length))) {
    return bytes.length < HTTP2_PREFACE.length ? undefined : { ...raw, applicationProtocols: ['h2c'] };
  }
  const text = bytes.toString('latin1');
  const line = REQUEST_LINE.exec(text);
  if (line !== null) return { ...raw, applicationProtocols: [(line[1] as string).toLowerCase()] };
  return MAYBE_REQUEST_LINE.test(text) && !isFull ? undefined : raw;
}
