import {
  translateCluster,
  translateClusterLoadAssignment,
  translateExtensionConfig,
  translateFetchedVirtualHost,
  translateListener,
  translateNameTable,
  translateRouteConfiguration,
  translateRuntime,
  translateScopedRouteConfiguration,
  translateSecret,
  type ClusterConfig,
  type EndpointsConfig,
  type ExtensionConfig,
  type ListenerConfig,
  type NameTableConfig,
  type RouteConfig,
  type RouteScopeConfig,
  type RuntimeResourceConfig,
  type SecretConfig,
  type Translated,
  type VirtualHostConfig,
} from '@heddle/engine';
import { envoy, istio, typeUrls } from '@heddle/xds-protos';

/** One kind of resource that is fetched over xDS, and how it becomes configuration. */
export interface ResourceType<T> {
  readonly typeUrl: string;
  /** What one is called in a message for people. */
  readonly noun: string;
  /** Whether a state-of-the-world answer holds all there are, so that what is missing in it was removed. */
  readonly fullSet: boolean;
  /** What the only resource of a type is called whose messages have no name. */
  readonly onlyName?: string;
  /** Whether the name of a resource is not what its message calls itself. Default false. */
  readonly isNamedApart?: boolean;
  /** Errors: throws for bytes that are no such message. */
  readonly translate: (bytes: Uint8Array) => Translated<T>;
}

export const clusterType: ResourceType<ClusterConfig> = {
  typeUrl: typeUrls.cluster,
  noun: 'cluster',
  fullSet: true,
  translate: (bytes) => translateCluster(envoy.config.cluster.v3.Cluster.decode(bytes)),
};

export const endpointsType: ResourceType<EndpointsConfig> = {
  typeUrl: typeUrls.clusterLoadAssignment,
  noun: 'endpoints of',
  fullSet: false,
  translate: (bytes) =>
    translateClusterLoadAssignment(envoy.config.endpoint.v3.ClusterLoadAssignment.decode(bytes)),
};

export const listenerType: ResourceType<ListenerConfig> = {
  typeUrl: typeUrls.listener,
  noun: 'listener',
  fullSet: true,
  translate: (bytes) => translateListener(envoy.config.listener.v3.Listener.decode(bytes)),
};

/** `whyNot` says why a table of routes cannot be had in this way. */
export function routesType(whyNot: (routes: RouteConfig) => string | undefined): ResourceType<RouteConfig> {
  return {
    typeUrl: typeUrls.routeConfiguration,
    noun: 'route configuration',
    fullSet: false,
    translate: (bytes) =>
      checked(translateRouteConfiguration(envoy.config.route.v3.RouteConfiguration.decode(bytes)), whyNot),
  };
}

/** A server names them by their table. */
export const virtualHostsType: ResourceType<VirtualHostConfig> = {
  typeUrl: typeUrls.virtualHost,
  noun: 'virtual host',
  fullSet: false,
  isNamedApart: true,
  translate: (bytes) => translateFetchedVirtualHost(envoy.config.route.v3.VirtualHost.decode(bytes)),
};

export const scopesType: ResourceType<RouteScopeConfig> = {
  typeUrl: typeUrls.scopedRouteConfiguration,
  noun: 'scope of routes',
  fullSet: true,
  translate: (bytes) =>
    translateScopedRouteConfiguration(envoy.config.route.v3.ScopedRouteConfiguration.decode(bytes)),
};

export const runtimeType: ResourceType<RuntimeResourceConfig> = {
  typeUrl: typeUrls.runtime,
  noun: 'runtime layer',
  fullSet: false,
  translate: (bytes) => translateRuntime(envoy.service.runtime.v3.Runtime.decode(bytes)),
};

/** Everything that a DNS server of the mesh answers is one message. */
export const nameTableType: ResourceType<NameTableConfig> = {
  typeUrl: typeUrls.nameTable,
  noun: 'table of names',
  fullSet: true,
  onlyName: 'names',
  translate: (bytes) => translateNameTable(istio.networking.nds.v1.NameTable.decode(bytes)),
};

/** `whyNot` says why those that want a filter cannot use it. */
export function extensionsType(
  whyNot: (extension: ExtensionConfig) => string | undefined,
): ResourceType<ExtensionConfig> {
  return {
    typeUrl: typeUrls.extensionConfig,
    noun: 'filter configuration',
    fullSet: false,
    translate: (bytes) =>
      checked(translateExtensionConfig(envoy.config.core.v3.TypedExtensionConfig.decode(bytes)), whyNot),
  };
}

/** `check` says what keeps a secret from being used, in words that hold nothing of it. */
export function secretsType(check: (secret: SecretConfig) => string | undefined): ResourceType<SecretConfig> {
  return {
    typeUrl: typeUrls.secret,
    noun: 'secret',
    fullSet: false,
    translate: (bytes) =>
      checked(translateSecret(envoy.extensions.transport_sockets.tls.v3.Secret.decode(bytes)), check),
  };
}

function checked<T>(translated: Translated<T>, check: (value: T) => string | undefined): Translated<T> {
  const problem = translated.ok ? check(translated.value) : undefined;
  return problem === undefined ? translated : { ok: false, problems: [{ path: '', message: problem }] };
}
