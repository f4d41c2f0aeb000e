import { readFileSync } from 'node:fs';

/** Source: Linux, include/net/tcp_states.h. */
const LISTEN = '0A';

/**
 * The TCP ports on which something listens in the network namespace of a process, of any address.
 * Source: proc(5), /proc/PID/net/tcp and tcp6. Empty where the process is gone.
 */
export function listeningPorts(pid: number): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const table of ['tcp', 'tcp6']) {
    try {
      for (const port of parseListeningPorts(readFileSync(`/proc/${pid}/net/${table}`, 'utf8')))
        ports.add(port);
    } catch {
      // Without IPv6 there is no tcp6.
    }
  }
  return ports;
}

export function parseListeningPorts(table: string): readonly number[] {
  return table.split('\n').flatMap((line) => {
    const [, local, , state] = line.trim().split(/\s+/);
    const port = Number.parseInt(local?.split(':')[1] ?? '', 16);
    return state === LISTEN && Number.isInteger(port) ? [port] : [];
  });
}
