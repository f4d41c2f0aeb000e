import { RESPONSE_FLAGS, type ResponseFlag } from '@heddle/engine';
import { escapeLabelValue } from '../stat-names.js';
import { namespaceOfPrincipal } from './peer-cache.js';
import type { WorkloadMetadata } from './workload-metadata.js';

const UNKNOWN = 'unknown';
const OVERFLOW = '_overflow';
/** Above this, a host name is not one. */
const LONGEST_HOST = 253;

/** The labels of Istio's metrics of connections. */
export const TCP_LABELS: readonly string[] = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_service_name',
  'destination_service_namespace',
  'destination_cluster',
  'request_protocol',
  'response_flags',
  'connection_security_policy',
];

/** The labels of Istio's metrics of requests. */
export const HTTP_LABELS: readonly string[] = [
  ...TCP_LABELS.slice(0, TCP_LABELS.indexOf('response_flags')),
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
];

/** Which labels a metric has. */
export interface LabelPlan {
  /** Label names, in order; `value`: one for every series, `from`: another of the values. */
  readonly labels: readonly { readonly name: string; readonly value?: string; readonly from?: string }[];
}

export type LabelValues = Readonly<Record<string, string>>;

/** Who reports: the caller's proxy or the called one's. Istio's value of the label. */
export type Reporter = 'source' | 'destination';

/** What is called. Source: cluster metadata `istio.services`. */
export interface DestinationService {
  readonly host: string;
  readonly name: string;
  /** Empty: not told. */
  readonly namespace: string;
}

/** The two sides of a call. */
export interface Edge {
  readonly reporter: Reporter;
  readonly local: WorkloadMetadata;
  readonly peer: WorkloadMetadata | undefined;
  readonly service: DestinationService | undefined;
  /** SPIFFE IDs that were proven on the connection; empty without mutual TLS. */
  readonly localPrincipal: string;
  readonly peerPrincipal: string;
}

/**
 * The labels that a call has because of who calls whom.
 *
 * Source: Istio's stats filter: `latest` for a revision that is not known, the peer's namespace by its certificate first.
 */
export function edgeLabels(edge: Edge): LabelValues {
  const { reporter, local, peer, service, localPrincipal, peerPrincipal } = edge;
  const peerNamespace = namespaceOfPrincipal(peerPrincipal) || (peer?.namespace ?? '');
  const ours = {
    workload: local.workload,
    canonicalName: local.canonicalName,
    canonicalRevision: local.canonicalRevision || UNKNOWN,
    namespace: local.namespace,
    principal: localPrincipal,
    app: local.app,
    version: local.version,
    cluster: local.cluster,
  };
  const theirs = {
    workload: peer?.workload ?? '',
    canonicalName: peer?.canonicalName ?? '',
    canonicalRevision: (peer?.canonicalRevision ?? '') || 'latest',
    namespace: peerNamespace,
    principal: peerPrincipal,
    app: peer?.app ?? '',
    version: peer?.version ?? '',
    cluster: peer?.cluster ?? '',
  };
  const isServer = reporter === 'destination';
  const [source, destination] = isServer ? [theirs, ours] : [ours, theirs];
  const isMutual = localPrincipal !== '' && peerPrincipal !== '';
  return known({
    reporter,
    source_workload: source.workload,
    source_canonical_service: source.canonicalName,
    source_canonical_revision: source.canonicalRevision,
    source_workload_namespace: source.namespace,
    source_principal: source.principal,
    source_app: source.app,
    source_version: source.version,
    source_cluster: source.cluster,
    destination_workload: destination.workload,
    destination_workload_namespace: destination.namespace,
    destination_principal: destination.principal,
    destination_app: destination.app,
    destination_version: destination.version,
    destination_service: (service?.host ?? '') || (isServer ? local.canonicalName : ''),
    destination_canonical_service: destination.canonicalName,
    destination_canonical_revision: destination.canonicalRevision,
    destination_service_name: (service?.name ?? '') || (isServer ? local.canonicalName : ''),
    destination_service_namespace: isServer ? local.namespace : (service?.namespace ?? '') || peerNamespace,
    destination_cluster: destination.cluster,
    connection_security_policy: isServer ? (isMutual ? 'mutual_tls' : 'none') : UNKNOWN,
  });
}

/** Clusters that Istio names as they are, and routes that stand for them. */
const NAMED_CLUSTERS: ReadonlySet<string> = new Set([
  'BlackHoleCluster',
  'PassthroughCluster',
  'InboundPassthroughCluster',
  'InboundPassthroughClusterIpv4',
  'InboundPassthroughClusterIpv6',
]);
const NAMED_ROUTES: ReadonlyMap<string, string> = new Map([
  ['block_all', 'BlackHoleCluster'],
  ['allow_any', 'PassthroughCluster'],
]);

/** Nothing is known of the destination. */
const NO_SERVICE = '\n';

/**
 * What stands for a destination that the control plane says nothing of: the name of a special cluster, and the host that
 * was asked for, as `NAME\nHOST`.
 */
export function serviceKey(clusterName: string, routeName: string, host: string | undefined): string {
  const name = NAMED_CLUSTERS.has(clusterName) ? clusterName : (NAMED_ROUTES.get(routeName) ?? '');
  const shown = host === undefined || host.length > LONGEST_HOST ? '' : host;
  return name === '' && shown === '' ? NO_SERVICE : `${name}\n${shown}`;
}

/** Reads what `serviceKey` made. */
export function serviceOfKey(key: string): DestinationService | undefined {
  const end = key.indexOf('\n');
  const host = key.slice(end + 1);
  const name = key.slice(0, end) || host;
  return name === '' ? undefined : { host, name, namespace: '' };
}

/** The labels in Prometheus's form, without braces. */
export function labelText(plan: LabelPlan, values: LabelValues): string {
  return plan.labels
    .map(({ name, from = name, value = values[from] ?? UNKNOWN }) => `${name}="${escapeLabelValue(value)}"`)
    .join(',');
}

/** The labels of what is counted together, because there is no room for series of its own. */
export function overflowText(plan: LabelPlan, reporter: Reporter): string {
  return plan.labels
    .map(
      ({ name, value }) =>
        `${name}="${escapeLabelValue(name === 'reporter' ? (value ?? reporter) : OVERFLOW)}"`,
    )
    .join(',');
}

const FLAG_BITS: ReadonlyMap<string, number> = new Map(RESPONSE_FLAGS.map((flag, bit) => [flag, 2 ** bit]));

/** Response flags as one number. */
export function flagBits(flags: readonly ResponseFlag[]): number {
  let bits = 0;
  for (let i = 0; i < flags.length; i++) bits += FLAG_BITS.get(flags[i] as string) ?? 0;
  return bits;
}

/** Response flags as Envoy writes them: `UF,URX`, or `-`. */
export function flagText(bits: number): string {
  const flags = RESPONSE_FLAGS.filter((_flag, bit) => Math.floor(bits / 2 ** bit) % 2 === 1);
  return flags.length === 0 ? '-' : flags.join(',');
}

function known(values: Record<string, string>): LabelValues {
  for (const name of Object.keys(values)) if (values[name] === '') values[name] = UNKNOWN;
  return values;
}
