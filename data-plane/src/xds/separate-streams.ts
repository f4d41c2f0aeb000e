import type {
  AdsStream,
  AdsStreamCallbacks,
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from './ads-transport.js';

/**
 * A stream for each type of resources, as if all were one: each is opened with the first request for its type, and when one
 * ends all do, so that what was asked for is asked for again.
 */
export class SeparateStreams implements AdsStream {
  readonly #open: (typeUrl: string, callbacks: AdsStreamCallbacks) => AdsStream;
  readonly #callbacks: AdsStreamCallbacks;
  readonly #streams = new Map<string, AdsStream>();
  #node: DiscoveryRequest['node'];
  #paused = false;
  #over = false;

  constructor(
    open: (typeUrl: string, callbacks: AdsStreamCallbacks) => AdsStream,
    callbacks: AdsStreamCallbacks,
  ) {
    this.#open = open;
    this.#callbacks = callbacks;
  }

  send(request: DiscoveryRequest | DeltaDiscoveryRequest): void {
    if (this.#over) return;
    const typeUrl = request.typeUrl ?? '';
    // The client says who it is once; each server stream has to hear it.
    this.#node = request.node ?? this.#node;
    const stream = this.#streams.get(typeUrl);
    if (stream !== undefined) {
      stream.send(request);
      return;
    }
    const opened = this.#open(typeUrl, {
      onResponse: (response) => {
        if (!this.#over) this.#callbacks.onResponse(response);
      },
      onEnd: (reason) => {
        if (this.#over) return;
        this.close();
        this.#callbacks.onEnd(`the stream of ${typeUrl.slice(typeUrl.lastIndexOf('.') + 1)}s ${reason}`);
      },
    });
    this.#streams.set(typeUrl, opened);
    if (this.#paused) opened.pause(true);
    opened.send({ ...request, node: this.#node });
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    for (const stream of this.#streams.values()) stream.pause(paused);
  }

  close(): void {
    this.#over = true;
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }
}
