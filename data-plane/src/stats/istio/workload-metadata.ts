import { CANONICAL_NAME_LABEL, CANONICAL_REVISION_LABEL, canonicalService } from '@heddle/engine';
import type { google } from '@heddle/xds-protos';

/**
 * Who a workload is, as metrics tell it. Empty: not known.
 *
 * Source: Istio's node metadata, of which its proxies tell each other these fields.
 */
export interface WorkloadMetadata {
  readonly instance: string;
  readonly namespace: string;
  readonly workload: string;
  readonly cluster: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly app: string;
  readonly version: string;
  /** The kind of what runs it, e.g. `kubernetes://apis/apps/v1/namespaces/shop/deployments/cart`. */
  readonly owner: string;
  readonly serviceAccount: string;
}

/** Names of node metadata, which are the fields of `x-envoy-peer-metadata` as well. */
export const METADATA_FIELD = {
  instance: 'NAME',
  namespace: 'NAMESPACE',
  workload: 'WORKLOAD_NAME',
  cluster: 'CLUSTER_ID',
  owner: 'OWNER',
  serviceAccount: 'SERVICE_ACCOUNT',
  labels: 'LABELS',
} as const;

/** Labels of a workload that metrics know. */
export const METADATA_LABEL = {
  canonicalName: CANONICAL_NAME_LABEL,
  canonicalRevision: CANONICAL_REVISION_LABEL,
  app: 'app',
  version: 'version',
} as const;

/** Nothing in Kubernetes has a longer name; what is longer is not one. */
const LONGEST_VALUE = 253;
/** Owners hold a path of such names. */
const LONGEST_OWNER = 1024;

/** Reads node metadata, ours or a peer's. What is not text, or too long, is not known. */
export function workloadMetadataOf(metadata: google.protobuf.IStruct | null | undefined): WorkloadMetadata {
  const fields = metadata?.fields;
  const labels = fieldOf(fields, METADATA_FIELD.labels)?.structValue?.fields;
  return {
    instance: textOf(fields, METADATA_FIELD.instance),
    namespace: textOf(fields, METADATA_FIELD.namespace),
    workload: textOf(fields, METADATA_FIELD.workload),
    cluster: textOf(fields, METADATA_FIELD.cluster),
    canonicalName: textOf(labels, METADATA_LABEL.canonicalName),
    canonicalRevision: textOf(labels, METADATA_LABEL.canonicalRevision),
    app: textOf(labels, METADATA_LABEL.app),
    version: textOf(labels, METADATA_LABEL.version),
    owner: textOf(fields, METADATA_FIELD.owner, LONGEST_OWNER),
    serviceAccount: textOf(fields, METADATA_FIELD.serviceAccount),
  };
}

/**
 * Reads a proxy's own node metadata: what it is counted as follows from its labels where an injector has not said so.
 *
 * Source: Istio's injector, which adds the labels of the canonical service.
 */
export function localWorkloadOf(metadata: google.protobuf.IStruct | null | undefined): WorkloadMetadata {
  const local = workloadMetadataOf(metadata);
  const labels: Record<string, string> = {};
  const fields = fieldOf(metadata?.fields, METADATA_FIELD.labels)?.structValue?.fields;
  for (const name of Object.keys(fields ?? {})) labels[name] = textOf(fields, name);
  const { name, revision } = canonicalService(labels, local.workload);
  return { ...local, canonicalName: name, canonicalRevision: revision };
}

/**
 * Reads what the control plane says of an endpoint.
 *
 * Source: Istio's endpoint metadata, `istio.workload`: `WORKLOAD;NAMESPACE;CANONICAL NAME;CANONICAL REVISION;CLUSTER`.
 * Errors: undefined for text of another form.
 */
export function workloadMetadataOfEndpoint(text: string): WorkloadMetadata | undefined {
  const [workload, namespace, canonicalName, canonicalRevision, cluster] = text.split(';', 6);
  if (
    workload === undefined ||
    namespace === undefined ||
    canonicalName === undefined ||
    canonicalRevision === undefined ||
    cluster === undefined
  ) {
    return undefined;
  }
  return {
    instance: '',
    namespace: bounded(namespace),
    workload: bounded(workload),
    cluster: bounded(cluster),
    canonicalName: bounded(canonicalName),
    canonicalRevision: bounded(canonicalRevision),
    app: '',
    version: '',
    owner: '',
    serviceAccount: '',
  };
}

type Fields = Readonly<Record<string, google.protobuf.IValue>> | null | undefined;

function fieldOf(fields: Fields, name: string): google.protobuf.IValue | undefined {
  return fields !== null && fields !== undefined && Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function textOf(fields: Fields, name: string, longest = LONGEST_VALUE): string {
  return bounded(fieldOf(fields, name)?.stringValue ?? '', longest);
}

function bounded(text: string, longest = LONGEST_VALUE): string {
  return text.length > longest ? '' : text;
}
