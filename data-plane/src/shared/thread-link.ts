import { describeError } from '@heddle/common';
import type { TransferListItem } from 'node:worker_threads';

/** What may be said in one direction: by its name what is said, and what is answered. */
export type Calls<C> = { readonly [K in keyof C]: { readonly body: unknown; readonly answer: unknown } };

/** What one side does when it is told or asked something. */
export type Handlers<In extends Calls<In>> = {
  readonly [K in keyof In]: (body: In[K]['body']) => In[K]['answer'] | Promise<In[K]['answer']>;
};

/** A `Worker`, or the `parentPort` in it. */
export interface ThreadPort {
  postMessage(message: unknown, transfer?: readonly TransferListItem[]): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** `id` 0: no answer is expected. */
type Message =
  | { readonly kind: string; readonly id: number; readonly body: unknown }
  | { readonly answerTo: number; readonly answer: unknown }
  | { readonly answerTo: number; readonly error: string };

/**
 * One end of the channel between the main thread and a worker.
 *
 * Shape: what is told and asked arrives in order, and each handler begins before the next one; answers come when they are there.
 * Errors: `ask` rejects with what the other side's handler threw, as text.
 */
export class ThreadLink<Out extends Calls<Out>, In extends Calls<In>> {
  readonly #port: ThreadPort;
  readonly #waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  constructor(port: ThreadPort, handlers: Handlers<In>) {
    this.#port = port;
    port.on('message', (message) => this.#onMessage(message as Message, handlers));
  }

  tell<K extends keyof Out & string>(
    kind: K,
    body: Out[K]['body'],
    transfer: readonly TransferListItem[] = [],
  ): void {
    this.#port.postMessage({ kind, id: 0, body } satisfies Message, transfer);
  }

  ask<K extends keyof Out & string>(
    kind: K,
    body: Out[K]['body'],
    transfer: readonly TransferListItem[] = [],
  ): Promise<Out[K]['answer']> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#port.postMessage({ kind, id, body } satisfies Message, transfer);
    });
  }

  #onMessage(message: Message, handlers: Handlers<In>): void {
    if ('answerTo' in message) {
      const waiting = this.#waiting.get(message.answerTo);
      this.#waiting.delete(message.answerTo);
      if ('error' in message) waiting?.reject(new Error(message.error));
      else waiting?.resolve(message.answer);
      return;
    }
    const { kind, id, body } = message;
    const handler = handlers[kind as keyof In] as (body: unknown) => unknown;
    if (id === 0) {
      handler(body);
      return;
    }
    const answer = (reply: Message): void => this.#port.postMessage(reply);
    try {
      void Promise.resolve(handler(body)).then(
        (found) => answer({ answerTo: id, answer: found }),
        (thrown: unknown) => answer({ answerTo: id, error: describeError(thrown) }),
      );
    } catch (thrown) {
      answer({ answerTo: id, error: describeError(thrown) });
    }
  }
}
