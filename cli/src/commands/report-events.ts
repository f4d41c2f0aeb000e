import type { LaunchEvent } from '../launcher/launch-event.js';

/** What a person is told about something that happened; undefined when it is not worth a line. */
export function describeEvent(event: LaunchEvent): string | undefined {
  switch (event.kind) {
    case 'control-plane-ready':
      return `heddled is up: xDS on 127.0.0.1:${event.xdsPort}, API on http://127.0.0.1:${event.apiPort}`;
    case 'interception':
      return event.way === 'transparent'
        ? `interception: transparent, by ${event.how}; applications call services by their names`
        : `interception: explicit${event.reason === undefined ? '' : ` (transparent is not possible: ${event.reason})`}; applications are told by their environment where services are`;
    case 'gateway-ready':
      return `gateway ${event.name} is ready: ${Object.entries(event.ports)
        .map(
          ([port, real]) =>
            `http://127.0.0.1:${real}${String(real) === port ? '' : ` (port ${port} was taken)`}`,
        )
        .join(', ')}`;
    case 'gateway-port-added':
      return `gateway ${event.name} also serves http://127.0.0.1:${event.port}`;
    case 'gateway-stopped':
      return `gateway ${event.name} was stopped`;
    case 'instance-starting':
      return undefined;
    case 'instance-ready':
      return `${event.name} is ready; its sidecar's admin page is http://127.0.0.1:${event.adminPort}`;
    case 'instance-stopped':
      return `${event.name} was stopped`;
    case 'crashed':
      return [
        event.wasStarted
          ? `${event.name} ended by itself: ${event.how}; starting it again in ${inSeconds(event.restartInMs)}`
          : `${event.name} cannot be started: ${event.how}; trying again in ${inSeconds(event.restartInMs)}`,
        ...event.lastWords.map((line) => `    ${line}`),
        ...(event.lastWords.length === 0 ? [] : [`    (all of it: ${event.logFile})`]),
      ].join('\n');
    case 'not-ready':
      return `${event.name} is not ready yet: ${event.what}; see ${event.logFile}`;
    case 'problem':
      return event.text;
  }
}

function inSeconds(ms: number): string {
  return `${(Math.max(ms, 100) / 1000).toFixed(1)} s`;
}
