import { connect, type ClientHttp2Session } from 'node:http2';
import { adsService, envoy, typeUrls } from '@heddle/xds-protos';
import { sidecarNode } from '../control-plane/ads-client.js';

const { DeltaDiscoveryRequest } = envoy.service.discovery.v3;
/** Of gRPC: no compression, then the length in four bytes. */
const PREFIX_BYTES = 5;
const GIVE_UP_MS = 120_000;
/** A connection that the server was too busy to accept is one for the client only: it hears nothing there. */
const FIRST_WORD_MS = 10_000;
const MOST_PAUSE_MS = 1_000;

/** Many proxies as a control plane sees them: a connection with one discovery stream each, that asks for clusters. */
export class StreamStorm {
  readonly #port: number;
  readonly #count: number;
  readonly #sessions = new Set<ClientHttp2Session>();

  constructor(port: number, count: number) {
    this.#port = port;
    this.#count = count;
  }

  /** Attempts that failed, each of which was made again, as proxies do. */
  failures = 0;

  /** All at once. Resolves with how long it took until the last one had its answer, in ms. */
  async connect(): Promise<number> {
    const startedMs = performance.now();
    const giveUpMs = startedMs + GIVE_UP_MS;
    const untilAnswered = async (number: number): Promise<void> => {
      for (;;) {
        const failure = await this.#open(number);
        if (failure === undefined) return;
        this.failures++;
        if (performance.now() > giveUpMs) throw new Error(`stream ${number}: ${failure}`);
        await new Promise((resolve) => setTimeout(resolve, MOST_PAUSE_MS * Math.random()));
      }
    };
    await Promise.all(Array.from({ length: this.#count }, (_, number) => untilAnswered(number)));
    return performance.now() - startedMs;
  }

  /** All at once. */
  breakOff(): void {
    for (const session of this.#sessions) session.destroy();
    this.#sessions.clear();
  }

  /** Resolves with why there was no answer, or undefined when there was one. */
  #open(number: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      const session = connect(`http://127.0.0.1:${this.#port}`);
      this.#sessions.add(session);
      const silence = setTimeout(() => fail(`not a word within ${FIRST_WORD_MS} ms`), FIRST_WORD_MS);
      session.once('remoteSettings', () => clearTimeout(silence));
      const fail = (reason: string): void => {
        clearTimeout(silence);
        this.#sessions.delete(session);
        session.destroy();
        resolve(reason);
      };
      session.on('error', (error) => fail(error.message));
      session.on('close', () => fail('the connection was closed'));
      const stream = session.request({
        ':method': 'POST',
        ':path': adsService.DeltaAggregatedResources.path,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', (error) => fail(error.message));
      stream.once('data', () => resolve(undefined));
      // A refusal is a status without an answer.
      stream.once('end', () => fail('it ended without an answer'));
      stream.write(framed({ node: sidecarNode(`storm-${number}`), typeUrl: typeUrls.cluster }));
    });
  }
}

function framed(request: envoy.service.discovery.v3.IDeltaDiscoveryRequest): Buffer {
  const message = DeltaDiscoveryRequest.encode(request).finish();
  const frame = Buffer.alloc(PREFIX_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
}
