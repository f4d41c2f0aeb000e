import type { LogLevel } from '@heddle/common';
import type { AddressConfig, PeerRulesConfig } from '@heddle/engine';
import type { SharedSocket } from '@heddle/supervisor/shared-sockets';
import type { CommandLine } from '../../bootstrap/command-line.js';
import type { ConfigText } from '../../bootstrap.js';
import type { ApplyProblem, HostStatus } from '../../cluster/cluster-manager.js';
import type { NamedAddresses } from '../../cluster/shared-watch.js';
import type { ListenerStatus } from '../../listener/listener-manager.js';
import type { PublishedMetrics } from '../../stats/published-stats.js';
import type { ContextCertificates } from '../../tls/transport.js';

/** What a worker is started with. */
export interface WorkerStart {
  /** From 0. */
  readonly index: number;
  readonly count: number;
  readonly commandLine: CommandLine;
  readonly texts: readonly ConfigText[];
  /** Of `SharedCells`. */
  readonly cells: SharedArrayBuffer;
  /** Of `SharedMemoryUse`. */
  readonly memoryUse: SharedArrayBuffer;
  /** What session tickets are encrypted by. */
  readonly ticketSecret: Uint8Array;
  /** Names of secrets that the main thread holds itself. */
  readonly ownSecrets: readonly string[];
}

/** A secret on its way to another thread of this process: in memory alone, its key in the clear. */
export type PlainSecret =
  | {
      readonly kind: 'certificate';
      readonly chainPem: string;
      readonly privateKey: string;
      readonly password: string | undefined;
    }
  | {
      readonly kind: 'trust';
      readonly rootsPem: string;
      readonly crlPem: string;
      readonly rules: PeerRulesConfig;
    };

/**
 * What is watched by name; all scopes of routes, and the virtual hosts of a table, as one: their bytes are those of a
 * DiscoveryResponse. `demandedHost` (its name `TABLE/DOMAIN`) and `demandedCluster` are asked for once: the answer has no bytes.
 */
export type WatchedType =
  | 'endpoints'
  | 'routes'
  | 'virtualHosts'
  | 'demandedHost'
  | 'demandedCluster'
  | 'scopes'
  | 'runtime'
  | 'extension'
  | 'secret';

/** What a worker serves, for the admin pages. */
export interface WorkerView {
  readonly clusters: readonly WorkerCluster[];
  readonly listeners: readonly Omit<ListenerStatus, 'config'>[];
  readonly certificates: readonly ContextCertificates[];
  readonly labelled: readonly LabelledFamily[];
}

export interface WorkerCluster {
  readonly name: string;
  readonly state: 'warming' | 'active';
  readonly hosts: readonly HostStatus[];
}

/** A metric whose labels come from traffic, as it was counted in one thread. */
export interface LabelledFamily {
  readonly name: string;
  readonly kind: 'counter' | 'histogram';
  readonly help: string;
  /** A histogram's values are its slots: the buckets, the rest, the sum. */
  readonly series: readonly (readonly [labels: string, values: readonly number[]])[];
}

interface Call<Body, Answer = void> {
  readonly body: Body;
  readonly answer: Answer;
}

interface Added {
  /** Encoded resources: each thread translates them for itself. */
  readonly added: readonly Uint8Array[];
  readonly removed: readonly string[];
}

/** What the main thread says to a worker. */
export interface ToWorker {
  /** Answered when the static configuration is served, or with why it cannot be. */
  readonly start: Call<undefined, string | undefined>;
  readonly clusters: Call<Added, readonly ApplyProblem[]>;
  readonly listeners: Call<Added, readonly ApplyProblem[]>;
  /** Answered when everything that is known by then is warm. */
  readonly warm: Call<'clusters' | 'listeners'>;
  readonly resource: Call<{
    readonly watch: number;
    readonly bytes?: Uint8Array;
    readonly absent?: 'removed' | 'timeout';
  }>;
  /** undefined: there is none any more. */
  readonly ownSecret: Call<{ readonly name: string; readonly secret: PlainSecret | undefined }>;
  readonly view: Call<{ readonly labelled: boolean }, WorkerView>;
  readonly drainListeners: Call<{ readonly inboundOnly: boolean }>;
  /** Answered when nothing is in flight. */
  readonly drain: Call<{ readonly timeoutMs: number; readonly isReplaced: boolean }>;
  /** Answered when everything is closed and logged. */
  readonly close: Call<undefined>;
  readonly reopenLogs: Call<undefined>;
  readonly logLevel: Call<LogLevel>;
  readonly resetCounters: Call<undefined>;
  /** Settings that were made through the admin pages. */
  readonly runtime: Call<ReadonlyMap<string, string>>;
  /** Clusters of whose hosts another worker knows something anew. */
  readonly health: Call<readonly string[]>;
  /** What another worker resolved names to. */
  readonly names: Call<{ readonly key: string; readonly addresses: NamedAddresses }>;
}

/** What a worker says to the main thread. */
export interface ToMain {
  readonly watch: Call<{
    readonly watch: number;
    readonly type: WatchedType;
    readonly name: string;
    readonly timeoutMs: number | undefined;
    /** What an extension may be; undefined: anything. */
    readonly typeUrls: readonly string[] | undefined;
    /** The static cluster whose SDS is asked; undefined: the control plane. */
    readonly cluster: string | undefined;
  }>;
  readonly unwatch: Call<{ readonly watch: number }>;
  readonly listen: Call<
    { readonly owner: string; readonly host: string; readonly port: number; readonly ipv6Only: boolean },
    SharedSocket
  >;
  readonly listenAt: Call<{ readonly owner: string; readonly path: string }, SharedSocket>;
  readonly unlisten: Call<{ readonly host: string; readonly port: number }>;
  readonly logLine: Call<string>;
  readonly openLog: Call<{ readonly path: string }>;
  readonly writeLog: Call<{ readonly path: string; readonly bytes: Uint8Array }>;
  readonly releaseLog: Call<{ readonly path: string }>;
  readonly metrics: Call<PublishedMetrics>;
  readonly health: Call<readonly string[]>;
  /** undefined: nobody resolves them any more. */
  readonly names: Call<{ readonly key: string; readonly addresses: NamedAddresses | undefined }>;
  /** Asks for what names resolve to, which is told whenever it is known. */
  readonly follow: Call<{ readonly key: string }>;
}

/** Which of the hosts of two threads are the same. */
export function hostKey(address: AddressConfig): string {
  return JSON.stringify(address);
}
