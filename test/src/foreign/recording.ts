import { readFileSync, writeFileSync } from 'node:fs';
import { envoy, typeUrls, type google } from '@heddle/xds-protos';
import type { XdsEvent } from './go-control-plane.js';

const { DiscoveryResponse, DeltaDiscoveryResponse } = envoy.service.discovery.v3;

/** What a control plane of somebody else sent to a proxy, as it went over the wire. */
export interface Recording {
  /** Which control plane it was. */
  readonly of: string;
  readonly variant: 'sotw' | 'delta';
  /** Ports of that machine, by what they stand for. */
  readonly ports: Readonly<Record<string, number>>;
  /** In the order in which they came. */
  readonly answers: readonly RecordedAnswer[];
}

export interface RecordedAnswer {
  readonly typeUrl: string;
  readonly version: string;
  /** A DiscoveryResponse or a DeltaDiscoveryResponse in base64. */
  readonly bytes: string;
}

/** By type, then by name. */
export type RecordedResources = ReadonlyMap<string, ReadonlyMap<string, google.protobuf.Any>>;

const folder = new URL('../../recordings/', import.meta.url);

export function readRecording(name: string): Recording {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as Recording;
}

/** Run by hand, with a control plane that is there. */
export function writeRecording(name: string, recording: Recording): void {
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(recording, null, 2)}\n`);
}

/** A file beside the recordings. */
export function readBeside(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8');
}

export function answersOf(events: readonly XdsEvent[]): readonly RecordedAnswer[] {
  return events
    .filter(({ event }) => event === 'response')
    .map(({ typeUrl = '', version = '', bytes = '' }) => ({ typeUrl, version, bytes }));
}

/** What was in force after the last answer of this version; of all answers, without one. */
export function recordedResources(recording: Recording, version?: string): RecordedResources {
  const all = new Map<string, Map<string, google.protobuf.Any>>();
  const until =
    version === undefined ? -1 : recording.answers.findLastIndex((one) => one.version === version);
  const answers = until === -1 ? recording.answers : recording.answers.slice(0, until + 1);
  for (const { typeUrl, bytes } of answers) {
    const ofType = all.get(typeUrl) ?? new Map<string, google.protobuf.Any>();
    all.set(typeUrl, ofType);
    if (recording.variant === 'sotw') {
      for (const any of DiscoveryResponse.decode(Buffer.from(bytes, 'base64')).resources) {
        ofType.set(nameOf(any), any);
      }
    } else {
      const { resources, removedResources } = DeltaDiscoveryResponse.decode(Buffer.from(bytes, 'base64'));
      for (const { name, resource } of resources) if (resource !== null) ofType.set(name, resource);
      for (const name of removedResources) ofType.delete(name);
    }
  }
  return all;
}

/** The same resources with other ports; nothing else of them changes. */
export function withPorts(
  resources: RecordedResources,
  ports: ReadonlyMap<number, number>,
): RecordedResources {
  return new Map(
    [...resources].map(([typeUrl, ofType]) => [
      typeUrl,
      new Map([...ofType].map(([name, any]) => [name, moved(any, ports)])),
    ]),
  );
}

function moved(any: google.protobuf.Any, ports: ReadonlyMap<number, number>): google.protobuf.Any {
  const move = (address: envoy.config.core.v3.Address | null | undefined): void => {
    const socket = address?.socketAddress;
    const port = socket?.portValue;
    const other = port === null || port === undefined ? undefined : ports.get(port);
    if (socket !== null && socket !== undefined && other !== undefined) socket.portValue = other;
  };
  const { ClusterLoadAssignment } = envoy.config.endpoint.v3;
  const moveEndpoints = (assignment: envoy.config.endpoint.v3.ClusterLoadAssignment | null): void => {
    for (const locality of assignment?.endpoints ?? []) {
      for (const one of locality.lbEndpoints) move(one.endpoint?.address);
    }
  };
  switch (any.typeUrl) {
    case typeUrls.clusterLoadAssignment: {
      const assignment = ClusterLoadAssignment.decode(any.value);
      moveEndpoints(assignment);
      return packed(any.typeUrl, ClusterLoadAssignment.encode(assignment).finish());
    }
    case typeUrls.cluster: {
      const cluster = envoy.config.cluster.v3.Cluster.decode(any.value);
      moveEndpoints(cluster.loadAssignment);
      return packed(any.typeUrl, envoy.config.cluster.v3.Cluster.encode(cluster).finish());
    }
    case typeUrls.listener: {
      const listener = envoy.config.listener.v3.Listener.decode(any.value);
      move(listener.address);
      for (const { filterChainMatch } of listener.filterChains) {
        const destination = filterChainMatch?.destinationPort;
        if (destination) destination.value = ports.get(destination.value) ?? destination.value;
      }
      return packed(any.typeUrl, envoy.config.listener.v3.Listener.encode(listener).finish());
    }
    default:
      return any;
  }
}

function packed(typeUrl: string, value: Uint8Array): google.protobuf.Any {
  return { typeUrl, value } as google.protobuf.Any;
}

/** Every resource type that is served by name has it in its first field, but for endpoints, whose first is the cluster's. */
function nameOf({ typeUrl, value }: google.protobuf.Any): string {
  switch (typeUrl) {
    case typeUrls.clusterLoadAssignment:
      return envoy.config.endpoint.v3.ClusterLoadAssignment.decode(value).clusterName;
    case typeUrls.cluster:
      return envoy.config.cluster.v3.Cluster.decode(value).name;
    case typeUrls.listener:
      return envoy.config.listener.v3.Listener.decode(value).name;
    case typeUrls.routeConfiguration:
      return envoy.config.route.v3.RouteConfiguration.decode(value).name;
    case typeUrls.scopedRouteConfiguration:
      return envoy.config.route.v3.ScopedRouteConfiguration.decode(value).name;
    case typeUrls.secret:
      return envoy.extensions.transport_sockets.tls.v3.Secret.decode(value).name;
    case typeUrls.extensionConfig:
      return envoy.config.core.v3.TypedExtensionConfig.decode(value).name;
    case typeUrls.runtime:
      return envoy.service.runtime.v3.Runtime.decode(value).name;
    default:
      return '';
  }
}
