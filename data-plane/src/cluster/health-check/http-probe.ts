import {
  HeaderMap,
  type HttpProbeConfig,
  type RequestHead,
  type ResponseHead,
  type StatusRange,
} from '@heddle/engine';
import { ClientCodecHttp1, type ClientConnectionCallbacks } from '../../codec/http1/client-codec.js';
import type { ResetReason, ResponseReceiver } from '../../codec/stream.js';
import { networkFailure, type Probe, type ProbeConnection, type ProbeResult } from './probe.js';
import { containsInOrder } from './tcp-probe.js';

/** What is kept of a body at most, also where the whole of it should be looked at. */
const MOST_BODY_BYTES = 64 * 1024;
const MAX_HEADERS_BYTES = 60 * 1024;
const MAX_HEADERS_COUNT = 100;

/**
 * Asks by a request of HTTP/1.1.
 *
 * Source: envoy.config.core.v3.HealthCheck.HttpHealthCheck.
 */
export class HttpProbe implements Probe, ClientConnectionCallbacks, ResponseReceiver {
  readonly #config: HttpProbeConfig;
  readonly #authority: string;
  readonly #reuseConnection: boolean;
  readonly #connect: () => ProbeConnection;
  #connection: ProbeConnection | undefined = undefined;
  #codec: ClientCodecHttp1 | undefined = undefined;
  #done: ((result: ProbeResult) => void) | undefined = undefined;
  #head: ResponseHead | undefined = undefined;
  #body: Buffer[] = [];
  #bodyBytes = 0;
  #isReused = false;

  constructor(
    config: HttpProbeConfig,
    authority: string,
    reuseConnection: boolean,
    connect: () => ProbeConnection,
  ) {
    this.#config = config;
    this.#authority = authority;
    this.#reuseConnection = reuseConnection;
    this.#connect = connect;
  }

  run(done: (result: ProbeResult) => void): void {
    this.#done = done;
    this.#head = undefined;
    this.#body = [];
    this.#bodyBytes = 0;
    this.#isReused = this.#codec?.isReusable === true;
    if (this.#isReused) this.#send(this.#codec as ClientCodecHttp1);
    else this.#open();
  }

  cancel(): void {
    this.#done = undefined;
    this.#close();
  }

  onInformational(): void {
    // The answer is yet to come.
  }

  onResponseHeaders(head: ResponseHead, endStream: boolean): void {
    this.#head = head;
    if (endStream) this.#judge();
  }

  onResponseData(chunk: Buffer, endStream: boolean): void {
    if (this.#bodyBytes < MOST_BODY_BYTES) this.#body.push(chunk);
    this.#bodyBytes += chunk.length;
    if (endStream) this.#judge();
  }

  onResponseTrailers(): void {
    this.#judge();
  }

  onReset(reason: ResetReason, details: string): void {
    this.#close();
    if (this.#isReused && reason === 'connection-termination') {
      // The connection was closed between two checks, which says nothing of the host.
      this.#isReused = false;
      this.#open();
      return;
    }
    this.#finish(networkFailure(details));
  }

  onAboveWriteBufferHighWatermark(): void {
    // What a check sends is small.
  }

  onBelowWriteBufferLowWatermark(): void {
    // What a check sends is small.
  }

  onStreamDone(codec: ClientCodecHttp1): void {
    if (this.#codec === codec && (!this.#reuseConnection || !codec.isReusable)) this.#close();
  }

  onClose(codec: ClientCodecHttp1): void {
    if (this.#codec === codec) this.#close();
  }

  #open(): void {
    const connection = this.#connect();
    const { socket, readyEvent } = connection;
    this.#connection = connection;
    let cause = '';
    socket.on('error', (error) => (cause = error.message));
    const onClose = (): void => {
      if (this.#connection !== connection) return;
      this.#connection = undefined;
      this.#finish(networkFailure(cause === '' ? 'the host closed the connection' : cause));
    };
    socket.once('close', onClose);
    socket.once(readyEvent, () => {
      if (this.#connection !== connection) return;
      socket.removeListener('close', onClose);
      this.#codec = new ClientCodecHttp1(socket, this, {
        id: 0,
        bufferLimitBytes: 0,
        maxResponseHeadersBytes: MAX_HEADERS_BYTES,
        maxHeadersCount: MAX_HEADERS_COUNT,
        preserveHeaderCase: false,
        enableTrailers: false,
      });
      this.#send(this.#codec);
    });
  }

  #send(codec: ClientCodecHttp1): void {
    const { send } = this.#config;
    const stream = codec.newStream();
    stream.attach(this);
    stream.sendRequestHeaders(this.#requestHead(), send === '');
    if (send !== '') stream.sendRequestData(Buffer.from(send, 'latin1'), true);
  }

  #requestHead(): RequestHead {
    const { method, path, headers: changes, send } = this.#config;
    const headers = new HeaderMap();
    headers.append('user-agent', 'Envoy/HC');
    if (send !== '') headers.append('content-length', String(send.length));
    for (const { name, value, action } of changes.set) {
      if (action === 'append-if-exists-or-add') headers.append(name, value);
      else if (
        action === 'add-if-absent'
          ? !headers.has(name)
          : action === 'overwrite-if-exists-or-add' || headers.has(name)
      ) {
        headers.set(name, value);
      }
    }
    for (const name of changes.remove) headers.remove(name);
    return {
      method,
      scheme: 'http',
      authority: this.#authority,
      path,
      headers,
      version: 'HTTP/1.1',
      upgrade: '',
    };
  }

  #judge(): void {
    const { status, headers } = this.#head as ResponseHead;
    const { expectedStatuses, retriableStatuses, receive } = this.#config;
    if (!isWithin(status, expectedStatuses)) {
      this.#finish({
        kind: 'failed',
        network: false,
        retriable: isWithin(status, retriableStatuses),
        excluded: headers.has('x-envoy-immediate-health-check-fail'),
        reason: `the host answers ${status}`,
      });
      return;
    }
    if (receive.length > 0 && !containsInOrder(this.#bodySeen(), receive)) {
      const reason = 'the body of the answer is not what is waited for';
      this.#finish({ kind: 'failed', network: false, retriable: false, excluded: false, reason });
      return;
    }
    this.#finish({ kind: 'passed', degraded: headers.has('x-envoy-degraded') });
  }

  #bodySeen(): Buffer {
    const { responseBufferBytes } = this.#config;
    return Buffer.concat(
      this.#body,
      responseBufferBytes === 0 ? undefined : Math.min(responseBufferBytes, this.#bodyBytes, MOST_BODY_BYTES),
    );
  }

  #finish(result: ProbeResult): void {
    const done = this.#done;
    this.#done = undefined;
    this.#body = [];
    done?.(result);
  }

  #close(): void {
    const { socket } = this.#connection ?? {};
    this.#connection = undefined;
    this.#codec = undefined;
    socket?.destroy();
  }
}

function isWithin(status: number, ranges: readonly StatusRange[]): boolean {
  return ranges.some(({ start, end }) => status >= start && status < end);
}
