import type { Clock, Random } from '@heddle/common';
import type { FreePorts } from './free-ports.js';
import type { HeddledClient } from './heddled-client.js';
import type { LaunchEvent } from './launch-event.js';
import type { PodNetwork } from './pods/pod-network.js';

/** What everything that is launched on this machine shares. */
export interface LaunchEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly ports: FreePorts;
  /** Bootstraps, last good configurations, records of running instances, logs. */
  readonly folders: LaunchFolders;
  /** The program of a sidecar and its first arguments. */
  readonly proxy: { readonly command: string; readonly args: readonly string[] };
  /** The environment of this process, passed on to what is launched. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where proxies get certificates and configuration, over TLS. */
  readonly xdsTlsPort: number;
  readonly rootsFile: string;
  /** Where instances run and gateways connect from; undefined: here, and nothing is intercepted. */
  readonly pods: PodNetwork | undefined;
  /** Whether proxies speak HBONE: tunnels between sidecars. */
  readonly hbone: boolean;
  /** Gives them their join tokens. */
  readonly client: HeddledClient;
  readonly report: (event: LaunchEvent) => void;
}

export interface LaunchFolders {
  readonly bootstraps: string;
  readonly proxyState: string;
  /** WorkloadEntry files of what runs: a source of heddled. */
  readonly instances: string;
  readonly logs: string;
  /** Join tokens. */
  readonly tokens: string;
}
