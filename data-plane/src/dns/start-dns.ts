import type { Clock, Logger } from '@heddle/common';
import type { NameTableConfig } from '@heddle/engine';
import type { HeldSockets } from '@heddle/supervisor/held-sockets';
import type { DnsConfig } from './dns-config.js';
import type { StatsStore } from '../stats/stats-store.js';
import { DnsResolution } from './dns-resolution.js';
import { DnsServer } from './dns-server.js';
import { NameTable } from './name-table.js';
import { askOverNetwork, systemResolver } from './upstream-servers.js';

export interface StartDnsOptions {
  readonly config: DnsConfig;
  /** Of the application, whose short names are those of its own services. */
  readonly namespace: string;
  /** Where questions to name servers come from; undefined: as the system chooses. */
  readonly sourceAddress: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stats: StatsStore;
  readonly heldSockets: Pick<HeldSockets, 'listen'> | undefined;
}

/** Rules redirect to loopback, whatever server the application asks. */
const HOSTS = ['127.0.0.1', '::1'];

/** Starts a DNS server and gives what takes the names of the mesh. Errors: rejects when it cannot listen. */
export async function startDns(options: StartDnsOptions): Promise<{
  readonly server: DnsServer;
  readonly names: { apply(tables: readonly NameTableConfig[]): readonly [] };
}> {
  const { config, namespace, sourceAddress, clock, log, stats, heldSockets } = options;
  const system = systemResolver();
  const resolution = new DnsResolution({
    clock,
    stats,
    servers: config.servers ?? system.servers,
    isAuthority: config.isAuthority,
    ask: askOverNetwork(clock, sourceAddress),
  });
  const server = new DnsServer({ log, resolution, hosts: HOSTS, port: config.port, heldSockets });
  await server.start();
  const gauge = stats.gauge('dns.names');
  return {
    server,
    names: {
      apply: (tables) => {
        const table = new NameTable(
          tables.at(-1) ?? { services: new Map() },
          namespace,
          system.searchDomains,
        );
        resolution.setNames(table);
        gauge.set(table.size);
        return [];
      },
    },
  };
}
