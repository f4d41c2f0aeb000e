import type { ServerResponse } from 'node:http';
import type { ApiResponse } from './api-route.js';

interface Watcher {
  readonly response: ServerResponse;
  readonly views: ReadonlyMap<string, string>;
  readonly sent: Map<string, string>;
}

export interface LiveStreamOptions {
  /** Streams above this are refused. Default 64. */
  readonly maxWatchers?: number;
}

/**
 * Tells pages what changed, by server-sent events: one for each view that a page looks at, whenever it is not what was sent last.
 *
 * Whoever reads too slowly misses states in between, and no memory is kept for them.
 * Source: the HTML standard, server-sent events.
 */
export class LiveStream {
  readonly #maxWatchers: number;
  readonly #watchers = new Set<Watcher>();

  constructor({ maxWatchers = 64 }: LiveStreamOptions = {}) {
    this.#maxWatchers = maxWatchers;
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** An answer that goes on. `views` are the names of events, with the keys that `publish` makes them by. */
  open(views: ReadonlyMap<string, string>, make: (key: string) => unknown): ApiResponse {
    if (this.#watchers.size >= this.#maxWatchers) {
      return { status: 503, body: { error: `more than ${this.#maxWatchers} pages watch already` } };
    }
    return {
      status: 200,
      contentType: 'text/event-stream',
      body: '',
      stream: (response) => {
        const watcher: Watcher = { response, views, sent: new Map() };
        this.#watchers.add(watcher);
        response.on('close', () => this.#watchers.delete(watcher));
        // How long a browser waits before it comes again.
        response.write('retry: 1000\n\n');
        this.#send(watcher, make);
      },
    };
  }

  /** Makes what somebody looks at, once for all, and sends it to those who have not seen it. */
  publish(make: (key: string) => unknown): void {
    if (this.#watchers.size === 0) return;
    const made = new Map<string, string>();
    const once = (key: string): string => {
      let text = made.get(key);
      if (text === undefined) made.set(key, (text = JSON.stringify(make(key) ?? null)));
      return text;
    };
    for (const watcher of this.#watchers) this.#sendTexts(watcher, once);
  }

  close(): void {
    for (const { response } of this.#watchers) response.destroy();
    this.#watchers.clear();
  }

  #send(watcher: Watcher, make: (key: string) => unknown): void {
    this.#sendTexts(watcher, (key) => JSON.stringify(make(key) ?? null));
  }

  #sendTexts({ response, views, sent }: Watcher, textOf: (key: string) => string): void {
    if (response.writableNeedDrain || response.destroyed) return;
    for (const [event, key] of views) {
      const text = textOf(key);
      if (sent.get(event) === text) continue;
      sent.set(event, text);
      response.write(`event: ${event}\ndata: ${text}\n\n`);
    }
  }
}
