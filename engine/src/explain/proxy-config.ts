import type { ClusterConfig } from '../config/cluster-config.js';
import type { EndpointsConfig } from '../config/endpoints-config.js';
import type { ListenerConfig } from '../config/listener-config.js';
import type { RouteConfig } from '../config/route-config.js';

/** Everything that one proxy runs by, translated. */
export interface ProxyConfig {
  readonly listeners: readonly ListenerConfig[];
  readonly routes: ReadonlyMap<string, RouteConfig>;
  readonly clusters: ReadonlyMap<string, ClusterConfig>;
  /** By the name under which clusters ask for them. */
  readonly endpoints: ReadonlyMap<string, EndpointsConfig>;
}
