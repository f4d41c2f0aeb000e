import type { ConnectionRefusal } from '../http/refused-connection.js';
import type { ConnectionInfo } from '../http/stream-state.js';

/**
 * A network filter before the terminal one, shared by all connections of a chain. Made once for each config.
 *
 * It is asked once, when a connection is complete (TLS has been agreed on, the original destination is known) and before
 * anything is read or sent: so, other than in Envoy, no upstream that speaks first is heard by who is refused.
 */
export interface ConnectionFilter {
  /** Says why a connection is refused; undefined when it goes on. May leave metadata in `info`. Takes no time. */
  check(info: ConnectionInfo): ConnectionRefusal | undefined;
  /** Begins to fetch what it needs, where it needs anything. `onWarm` is called once, maybe inside this call. */
  start?(onWarm: () => void): void;
  /** Ends what `start` began. */
  close?(): void;
}
