import { HeldKeepsake } from './held-keepsake.js';
import { HeldSockets } from './held-sockets.js';
import type { KeepsakeMessage } from './keepsake.js';
import type { ChildMessage } from './listening-sockets.js';

/** What a supervisor tells a child before it ends it: another one serves in its place already. */
export interface ReplacedMessage {
  readonly heddle: 'replaced';
}

/** The environment variable by which a child knows that a supervisor holds its sockets. */
export const SUPERVISED = 'HEDDLE_SUPERVISED';

/** The part of a child's `process` that is needed. */
export interface Channel {
  readonly connected: boolean;
  send(message: ChildMessage | KeepsakeMessage): void;
  on(event: 'message', listener: (message: unknown, handle: unknown) => void): void;
  on(event: 'disconnect', listener: () => void): void;
}

/** The child's side of the channel that its supervisor opened. */
export class SupervisorLink {
  readonly sockets: HeldSockets;
  readonly keepsake: HeldKeepsake;
  readonly #channel: Channel;
  #isReplaced = false;

  constructor(channel: Channel) {
    this.#channel = channel;
    this.sockets = new HeldSockets(channel);
    this.keepsake = new HeldKeepsake(channel);
    channel.on('message', (message) => {
      if ((message as ReplacedMessage).heddle === 'replaced') this.#isReplaced = true;
    });
  }

  /** Another process serves in the place of this one: it has time to end. */
  get isReplaced(): boolean {
    return this.#isReplaced;
  }

  /** Tells that everything is served. */
  ready(): void {
    if (this.#channel.connected) this.#channel.send({ heddle: 'ready' });
  }
}

/** The supervisor of this process, if there is one. */
export function supervisorOf(
  child: NodeJS.Process,
  environment: Readonly<Record<string, string | undefined>>,
): SupervisorLink | undefined {
  if (environment[SUPERVISED] !== '1' || child.send === undefined) return undefined;
  const send = child.send.bind(child);
  return new SupervisorLink({
    get connected() {
      return child.connected;
    },
    send: (message) => void send(message),
    on: (event: 'message' | 'disconnect', listener: (...args: never[]) => void) =>
      void child.on(event, listener as () => void),
  });
}
