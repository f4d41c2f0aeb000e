import { google } from '@heddle/xds-protos';
import {
  METADATA_FIELD,
  METADATA_LABEL,
  workloadMetadataOf,
  type WorkloadMetadata,
} from './workload-metadata.js';

/** The headers by which Istio's proxies tell each other who they are. */
export const PEER_METADATA_HEADER = 'x-envoy-peer-metadata';
export const PEER_METADATA_ID_HEADER = 'x-envoy-peer-metadata-id';

/** Istio's proxies send some hundred bytes; older ones, which send every label, a few thousand. */
const LONGEST_HEADER = 16 * 1024;

const { Struct } = google.protobuf;

type Fields = Record<string, google.protobuf.IValue>;

/**
 * The value of `x-envoy-peer-metadata` for a workload: equal metadata gives equal text.
 *
 * Source: Istio's peer metadata filter: a `Struct` with its fields in order of their names, in base64.
 */
export function encodePeerMetadata(metadata: WorkloadMetadata): string {
  const labels: Fields = {};
  addText(labels, METADATA_LABEL.app, metadata.app);
  addText(labels, METADATA_LABEL.canonicalName, metadata.canonicalName);
  addText(labels, METADATA_LABEL.canonicalRevision, metadata.canonicalRevision);
  addText(labels, METADATA_LABEL.version, metadata.version);
  const fields: Fields = {};
  addText(fields, METADATA_FIELD.cluster, metadata.cluster);
  fields[METADATA_FIELD.labels] = { structValue: { fields: labels } };
  addText(fields, METADATA_FIELD.instance, metadata.instance);
  addText(fields, METADATA_FIELD.namespace, metadata.namespace);
  addText(fields, METADATA_FIELD.owner, metadata.owner);
  addText(fields, METADATA_FIELD.workload, metadata.workload);
  return Buffer.from(Struct.encode({ fields }).finish()).toString('base64');
}

/**
 * Reads the value of `x-envoy-peer-metadata`.
 *
 * Errors: undefined for anything that is no metadata; whoever sent it may be hostile.
 */
export function decodePeerMetadata(value: string): WorkloadMetadata | undefined {
  if (value.length > LONGEST_HEADER) return undefined;
  try {
    return workloadMetadataOf(Struct.decode(Buffer.from(value, 'base64')));
  } catch {
    return undefined;
  }
}

function addText(fields: Fields, name: string, stringValue: string): void {
  if (stringValue !== '') fields[name] = { stringValue };
}
