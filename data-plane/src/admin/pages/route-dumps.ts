import { envoy, packAny, typeUrls, unpackAny } from '@heddle/xds-protos';
import type { ConfigDumpSources } from './config-dump.js';
import { dynamicStates, timestamp, type ProtoTimestamp } from './dynamic-states.js';

type Listener = envoy.config.listener.v3.Listener;
type HttpConnectionManager =
  envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

/** Route configurations: those that are written in listeners, and fetched ones. */
export function routesDump(
  sources: ConfigDumpSources,
  lastUpdated: ProtoTimestamp,
  matches: (name: string) => boolean,
): envoy.admin.v3.IRoutesConfigDump {
  const inline = managersOf(sources, lastUpdated).flatMap(({ manager, lastUpdated }) =>
    manager.routeConfig ? [{ route: manager.routeConfig, lastUpdated }] : [],
  );
  return {
    staticRouteConfigs: inline
      .filter((one) => matches(one.route.name))
      .map((one) => ({
        routeConfig: packAny(envoy.config.route.v3.RouteConfiguration, one.route),
        lastUpdated: one.lastUpdated,
      })),
    dynamicRouteConfigs: dynamicStates(
      sources.discovered(typeUrls.routeConfiguration),
      matches,
      typeUrls.routeConfiguration,
    ).map((state) => ({
      ...(state.held === undefined
        ? {}
        : { versionInfo: state.held.version, routeConfig: state.any, lastUpdated: state.lastUpdated }),
      ...state.status,
    })),
  };
}

/** Scopes of routes, by the connection manager that has or fetches them. */
export function scopesDump(
  sources: ConfigDumpSources,
  lastUpdated: ProtoTimestamp,
  matches: (name: string) => boolean,
): envoy.admin.v3.IScopedRoutesConfigDump {
  const scoped = managersOf(sources, lastUpdated).flatMap(({ manager, lastUpdated }) =>
    manager.scopedRoutes && matches(manager.scopedRoutes.name)
      ? [{ routes: manager.scopedRoutes, lastUpdated }]
      : [],
  );
  const { versionInfo, held } = sources.discovered(typeUrls.scopedRouteConfiguration);
  return {
    inlineScopedRouteConfigs: scoped.flatMap(({ routes, lastUpdated }) => {
      const list = routes.scopedRouteConfigurationsList?.scopedRouteConfigurations;
      if (list === undefined) return [];
      const scopedRouteConfigs = list.map((one) =>
        packAny(envoy.config.route.v3.ScopedRouteConfiguration, one),
      );
      return [{ name: routes.name, scopedRouteConfigs, lastUpdated }];
    }),
    dynamicScopedRouteConfigs: scoped.flatMap(({ routes }) => {
      if (routes.scopedRds === null || held.length === 0) return [];
      const newest = Math.max(...held.map(({ updatedAtMs }) => updatedAtMs));
      return [
        {
          name: routes.name,
          versionInfo,
          scopedRouteConfigs: held.map(({ bytes: value }) => ({
            typeUrl: typeUrls.scopedRouteConfiguration,
            value,
          })),
          lastUpdated: timestamp(newest),
        },
      ];
    }),
  };
}

/** All connection managers of listeners, from the bootstrap and from the control plane. */
function managersOf(
  sources: ConfigDumpSources,
  startedAt: ProtoTimestamp,
): readonly { readonly manager: HttpConnectionManager; readonly lastUpdated: ProtoTimestamp }[] {
  const { held } = sources.discovered(typeUrls.listener);
  return [
    ...(sources.bootstrap().staticResources?.listeners ?? []).map((listener) => ({
      listener,
      lastUpdated: startedAt,
    })),
    ...held.map((resource) => ({
      listener: envoy.config.listener.v3.Listener.decode(resource.bytes),
      lastUpdated: timestamp(resource.updatedAtMs),
    })),
  ].flatMap(({ listener, lastUpdated }) => managersIn(listener).map((manager) => ({ manager, lastUpdated })));
}

function managersIn(listener: Listener): readonly HttpConnectionManager[] {
  const type = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
  const chains = [...listener.filterChains];
  if (listener.defaultFilterChain !== null) chains.push(listener.defaultFilterChain);
  return chains
    .flatMap((chain) => chain.filters)
    .flatMap((filter) => unpackAny(filter.typedConfig, type) ?? []);
}
