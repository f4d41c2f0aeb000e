import { envoy, packAny, toJson, typeUrls, type JsonValue } from '@heddle/xds-protos';
import type { DiscoveredResources } from '../../discovered-resources.js';
import { json, text, type AdminPage } from '../admin-page.js';
import { nameFilter } from '../name-filter.js';
import { redactSecrets } from '../redact-secrets.js';
import { dynamicStates, timestamp, type ProtoTimestamp } from './dynamic-states.js';
import { routesDump, scopesDump } from './route-dumps.js';

type Bootstrap = envoy.config.bootstrap.v3.Bootstrap;

/** What the dump is made of. */
export interface ConfigDumpSources {
  /** Read anew by each call. */
  readonly bootstrap: () => Bootstrap;
  readonly node: envoy.config.core.v3.Node;
  /** Wall clock. */
  readonly startedAtMs: number;
  readonly discovered: (typeUrl: string) => DiscoveredResources;
  /** Secrets that come from beside the proxy: its own identity, and agents. */
  readonly localSecrets: () => readonly DiscoveredResources[];
  /** Whether a cluster, or a listener, of this name waits for something. */
  readonly isWarming: (kind: 'cluster' | 'listener', name: string) => boolean;
}

const admin = envoy.admin.v3;
const { REQUESTED } = admin.ClientResourceStatus;
/** A longer mask is a mistake. */
const MAX_MASK = 4096;

/** `/config_dump` in the shape of envoy.admin.v3.ConfigDump. */
export function configDumpPage(sources: ConfigDumpSources): AdminPage {
  return {
    path: '/config_dump',
    description: 'dump current configuration',
    parameters: {
      resource: 'A repeated field of a dump, such as dynamic_listeners: only its elements',
      mask: 'A field mask: of each element with resource, of each dump without',
      name_regex: 'Regular expression (RE2) that the names of resources must contain',
      include_eds: 'With the endpoints',
    },
    respond({ query }) {
      const filter = nameFilter(query, 'name_regex');
      if ('refused' in filter) return filter.refused;
      const dumps = makeDumps(sources, query.has('include_eds'), filter.matches);
      let configs: JsonValue[] = dumps;
      const resource = query.get('resource');
      if (resource !== null && resource !== '') {
        const found = elementsOf(dumps, resource);
        if (found === undefined) return text(`${resource.slice(0, 200)} not found in config dump\n`, 404);
        configs = found;
      }
      const mask = query.get('mask');
      if (mask !== null && mask !== '') {
        if (mask.length > MAX_MASK) return text('the mask is too long\n', 400);
        const paths = mask.split(',').map((path) => path.split('.'));
        configs = configs.map((config) => masked(config, paths));
      }
      return json({ configs });
    },
  };
}

function makeDumps(
  sources: ConfigDumpSources,
  includeEds: boolean,
  matches: (name: string) => boolean,
): JsonValue[] {
  const bootstrap = sources.bootstrap();
  const lastUpdated = timestamp(sources.startedAtMs);
  const dumps = [
    packAny(admin.BootstrapConfigDump, {
      bootstrap: { ...bootstrap, node: sources.node },
      lastUpdated,
    }),
    packAny(admin.ClustersConfigDump, clusters(sources, lastUpdated, matches)),
    ...fetchedFilters(sources, matches).map((dump) => packAny(admin.EcdsConfigDump, dump)),
    ...(includeEds ? [packAny(admin.EndpointsConfigDump, endpoints(sources, lastUpdated, matches))] : []),
    packAny(admin.ListenersConfigDump, listeners(sources, lastUpdated, matches)),
    packAny(admin.ScopedRoutesConfigDump, scopesDump(sources, lastUpdated, matches)),
    packAny(admin.RoutesConfigDump, routesDump(sources, lastUpdated, matches)),
    packAny(admin.SecretsConfigDump, secrets(sources, lastUpdated, matches)),
  ];
  const json = toJson(admin.ConfigDump, { configs: dumps }) as { configs: JsonValue[] };
  return json.configs.map(redactSecrets);
}

function clusters(
  sources: ConfigDumpSources,
  lastUpdated: ProtoTimestamp,
  matches: (name: string) => boolean,
): envoy.admin.v3.IClustersConfigDump {
  const discovered = sources.discovered(typeUrls.cluster);
  const dynamic = dynamicStates(discovered, matches, typeUrls.cluster).map((state) => ({
    name: state.name,
    state: {
      ...(state.held === undefined
        ? { cluster: { typeUrl: typeUrls.cluster, value: state.refused?.bytes } }
        : { versionInfo: state.held.version, cluster: state.any, lastUpdated: state.lastUpdated }),
      ...state.status,
    } satisfies envoy.admin.v3.ClustersConfigDump.IDynamicCluster,
    warming: state.held === undefined || sources.isWarming('cluster', state.name),
  }));
  return {
    versionInfo: discovered.versionInfo,
    staticClusters: (sources.bootstrap().staticResources?.clusters ?? [])
      .filter((cluster) => matches(cluster.name))
      .map((cluster) => ({ cluster: packAny(envoy.config.cluster.v3.Cluster, cluster), lastUpdated })),
    dynamicActiveClusters: dynamic.filter((one) => !one.warming).map((one) => one.state),
    dynamicWarmingClusters: dynamic.filter((one) => one.warming).map((one) => one.state),
  };
}

function listeners(
  sources: ConfigDumpSources,
  lastUpdated: ProtoTimestamp,
  matches: (name: string) => boolean,
): envoy.admin.v3.IListenersConfigDump {
  const discovered = sources.discovered(typeUrls.listener);
  return {
    versionInfo: discovered.versionInfo,
    staticListeners: (sources.bootstrap().staticResources?.listeners ?? [])
      .filter((listener) => matches(listener.name))
      .map((listener) => ({ listener: packAny(envoy.config.listener.v3.Listener, listener), lastUpdated })),
    dynamicListeners: dynamicStates(discovered, matches, typeUrls.listener).map((state) => {
      const which = sources.isWarming('listener', state.name) ? 'warmingState' : 'activeState';
      return {
        name: state.name,
        ...(state.held === undefined
          ? {}
          : {
              [which]: {
                versionInfo: state.held.version,
                listener: state.any,
                lastUpdated: state.lastUpdated,
              },
            }),
        ...state.status,
      };
    }),
  };
}

/** Filters whose configuration is fetched; as in Envoy nothing is shown where there are none. */
function fetchedFilters(
  sources: ConfigDumpSources,
  matches: (name: string) => boolean,
): readonly envoy.admin.v3.IEcdsConfigDump[] {
  const discovered = sources.discovered(typeUrls.extensionConfig);
  const ecdsFilters = dynamicStates(discovered, matches, typeUrls.extensionConfig).map((state) => ({
    ...(state.held === undefined
      ? {}
      : { versionInfo: state.held.version, ecdsFilter: state.any, lastUpdated: state.lastUpdated }),
    ...state.status,
  }));
  return ecdsFilters.length === 0 ? [] : [{ ecdsFilters }];
}

function endpoints(
  sources: ConfigDumpSources,
  lastUpdated: ProtoTimestamp,
  matches: (name: string) => boolean,
): envoy.admin.v3.IEndpointsConfigDump {
  const fixed = (sources.bootstrap().staticResources?.clusters ?? []).flatMap((cluster) =>
    cluster.loadAssignment === null ? [] : [cluster.loadAssignment],
  );
  return {
    staticEndpointConfigs: fixed
      .filter((assignment) => matches(assignment.clusterName))
      .map((assignment) => ({
        endpointConfig: packAny(envoy.config.endpoint.v3.ClusterLoadAssignment, assignment),
        lastUpdated,
      })),
    dynamicEndpointConfigs: dynamicStates(
      sources.discovered(typeUrls.clusterLoadAssignment),
      matches,
      typeUrls.clusterLoadAssignment,
    ).map((state) => ({
      ...(state.held === undefined
        ? {}
        : { versionInfo: state.held.version, endpointConfig: state.any, lastUpdated: state.lastUpdated }),
      ...state.status,
    })),
  };
}

function secrets(
  sources: ConfigDumpSources,
  lastUpdated: ProtoTimestamp,
  matches: (name: string) => boolean,
): envoy.admin.v3.ISecretsConfigDump {
  const all = [sources.discovered(typeUrls.secret), ...sources.localSecrets()];
  return {
    staticSecrets: (sources.bootstrap().staticResources?.secrets ?? [])
      .filter((secret) => matches(secret.name))
      .map((secret) => ({
        name: secret.name,
        lastUpdated,
        secret: packAny(envoy.extensions.transport_sockets.tls.v3.Secret, secret),
      })),
    dynamicActiveSecrets: all.flatMap((discovered) =>
      dynamicStates(discovered, matches, typeUrls.secret).map(({ name, held, any, lastUpdated, status }) => ({
        name,
        ...(held === undefined ? {} : { versionInfo: held.version, secret: any, lastUpdated }),
        clientStatus: status.clientStatus,
        // Without what was refused: bytes that cannot be read may hold a key.
        ...(status.errorState === undefined
          ? {}
          : { errorState: { ...status.errorState, failedConfiguration: null } }),
      })),
    ),
    dynamicWarmingSecrets: all.flatMap(({ missing }) =>
      missing.filter(matches).map((name) => ({ name, clientStatus: REQUESTED })),
    ),
  };
}

/** The elements of a repeated field of whichever dump has it. */
function elementsOf(dumps: readonly JsonValue[], field: string): JsonValue[] | undefined {
  const type = FIELD_TYPES.get(field);
  if (type === undefined) return undefined;
  for (const dump of dumps) {
    const value = isObject(dump) && Object.hasOwn(dump, field) ? dump[field] : undefined;
    if (Array.isArray(value)) {
      return value.map((element) =>
        isObject(element) ? { '@type': `type.googleapis.com/${type}`, ...element } : element,
      );
    }
  }
  return [];
}

const FIELD_TYPES: ReadonlyMap<string, string> = new Map([
  ['static_clusters', 'envoy.admin.v3.ClustersConfigDump.StaticCluster'],
  ['dynamic_active_clusters', 'envoy.admin.v3.ClustersConfigDump.DynamicCluster'],
  ['dynamic_warming_clusters', 'envoy.admin.v3.ClustersConfigDump.DynamicCluster'],
  ['static_listeners', 'envoy.admin.v3.ListenersConfigDump.StaticListener'],
  ['dynamic_listeners', 'envoy.admin.v3.ListenersConfigDump.DynamicListener'],
  ['static_route_configs', 'envoy.admin.v3.RoutesConfigDump.StaticRouteConfig'],
  ['dynamic_route_configs', 'envoy.admin.v3.RoutesConfigDump.DynamicRouteConfig'],
  ['ecds_filters', 'envoy.admin.v3.EcdsConfigDump.EcdsFilterConfig'],
  ['inline_scoped_route_configs', 'envoy.admin.v3.ScopedRoutesConfigDump.InlineScopedRouteConfigs'],
  ['dynamic_scoped_route_configs', 'envoy.admin.v3.ScopedRoutesConfigDump.DynamicScopedRouteConfigs'],
  ['static_secrets', 'envoy.admin.v3.SecretsConfigDump.StaticSecret'],
  ['dynamic_active_secrets', 'envoy.admin.v3.SecretsConfigDump.DynamicSecret'],
  ['dynamic_warming_secrets', 'envoy.admin.v3.SecretsConfigDump.DynamicSecret'],
  ['static_endpoint_configs', 'envoy.admin.v3.EndpointsConfigDump.StaticEndpointConfig'],
  ['dynamic_endpoint_configs', 'envoy.admin.v3.EndpointsConfigDump.DynamicEndpointConfig'],
]);

/** What a field mask leaves of a value; `@type` always stays. */
function masked(value: JsonValue, paths: readonly (readonly string[])[]): JsonValue {
  if (!isObject(value)) return value;
  const kept: Record<string, JsonValue> = {};
  if (value['@type'] !== undefined) kept['@type'] = value['@type'];
  for (const name of new Set(paths.map((path) => path[0] as string))) {
    if (!Object.hasOwn(value, name)) continue;
    const below = paths.filter((path) => path[0] === name).map((path) => path.slice(1));
    const member = value[name] as JsonValue;
    kept[name] = below.some((path) => path.length === 0) ? member : masked(member, below);
  }
  return kept;
}

function isObject(value: JsonValue): value is { [name: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
