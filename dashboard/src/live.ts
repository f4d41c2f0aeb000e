/** Follows what a page shows; comes again by itself when heddled was away. */
export class Live {
  #source: EventSource | undefined;
  readonly #onConnection: (isConnected: boolean) => void;

  constructor(onConnection: (isConnected: boolean) => void) {
    this.#onConnection = onConnection;
  }

  /** Instead of what was followed before. */
  follow(
    query: Readonly<Record<string, string>>,
    listeners: Readonly<Record<string, (data: never) => void>>,
  ): void {
    this.#source?.close();
    const source = new EventSource(`/api/v1/live?${new URLSearchParams(query).toString()}`);
    this.#source = source;
    source.addEventListener('open', () => this.#onConnection(true));
    source.addEventListener('error', () => {
      this.#onConnection(false);
      // A browser gives up when it was refused; heddled may have room, or be back, a little later.
      if (source.readyState === EventSource.CLOSED) {
        setTimeout(() => {
          if (this.#source === source) this.follow(query, listeners);
        }, 3_000);
      }
    });
    for (const [event, listener] of Object.entries(listeners)) {
      source.addEventListener(event, (message) => {
        listener(JSON.parse((message as MessageEvent<string>).data) as never);
      });
    }
  }
}
