import type { LogLevel } from '@heddle/common';
import type {
  AddressConfig,
  ClusterConfig,
  FormatContext,
  ListenerConfig,
  RuntimeLayerConfig,
  SecretConfig,
  UpstreamBindConfig,
} from '@heddle/engine';
import type { envoy } from '@heddle/xds-protos';
import type { DnsConfig } from '../dns/dns-config.js';
import type { OverloadConfig } from '../overload/overload-config.js';
import type { IdentityConfig } from './identity-config.js';

/** What a proxy was started with: the command line and the bootstrap file, checked, translated and frozen. */
export interface BootstrapConfig {
  /** Who the proxy is, as it is sent to control planes. */
  readonly node: envoy.config.core.v3.Node;
  /** Where the admin pages are served; undefined: nowhere. */
  readonly adminAddress: AddressConfig | undefined;
  readonly listeners: readonly ListenerConfig[];
  readonly clusters: readonly ClusterConfig[];
  /** Where connections to hosts of clusters come from, unless the cluster says so itself; undefined: as the system chooses. */
  readonly upstreamBind: UpstreamBindConfig | undefined;
  readonly overload: OverloadConfig;
  /** Layers of settings, from base to top. */
  readonly runtime: readonly RuntimeLayerConfig[];
  /** Certificates and trust that contexts refer to by name alone. */
  readonly secrets: readonly SecretConfig[];
  /** undefined: everything is static. */
  readonly ads: AdsConfig | undefined;
  readonly logLevel: LogLevel;
  readonly adminAddressPath: string | undefined;
  /** How long what is in flight may take after `/drain_listeners` or the removal of a listener. */
  readonly drainTimeMs: number;
  /** The same after SIGTERM or SIGINT. */
  readonly signalDrainTimeMs: number;
  readonly stateDirectory: string | undefined;
  /** undefined: the proxy has no certificates of its own. */
  readonly identity: IdentityConfig | undefined;
  /** undefined: no questions of the application come here. */
  readonly dns: DnsConfig | undefined;
  /** Bound of the series of one metric whose labels come from traffic; undefined: the default. */
  readonly maxSeries: number | undefined;
  readonly formatContext: FormatContext;
  /** For `/config_dump` and `/server_info`, which show what was given. */
  readonly source: {
    readonly bootstrap: envoy.config.bootstrap.v3.Bootstrap;
    readonly configPath: string;
    readonly configYaml: string;
    readonly concurrency: number;
    readonly baseId: number;
  };
  /** What was accepted and has no effect, for the log. */
  readonly warnings: readonly string[];
}

/** The control plane that listeners and clusters come from. */
export interface AdsConfig {
  readonly variant: 'sotw' | 'delta';
  /** One stream for all types (ADS), or one for each. */
  readonly streams: 'aggregated' | 'separate';
  readonly target: AdsTarget;
  readonly listeners: boolean;
  readonly clusters: boolean;
  /** gRPC metadata sent with the stream. */
  readonly metadata: readonly (readonly [name: string, value: string])[];
  /** How long the first answer for listeners and for clusters is waited for; 0: without end. */
  readonly initialFetchTimeoutMs: number;
}

/** Where the control plane listens, for grpc-js. */
export interface AdsTarget {
  /** The cluster's name or the target, for people. */
  readonly name: string;
  /** A gRPC target URI: `ipv4:127.0.0.1:15010`, `dns:///host:port`, `unix:/path`. */
  readonly uri: string;
  /** The `:authority` to send; empty: grpc-js's own choice. */
  readonly authority: string;
  /** `identity`: TLS, by the workload's own certificate and the roots of the mesh. */
  readonly security: 'none' | 'identity';
}
