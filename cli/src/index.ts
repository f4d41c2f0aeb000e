export {
  proxyBootstrap,
  type ExplicitPlan,
  type ProxyIdentityPlan,
  type ProxyBootstrapOptions,
} from './launcher/proxy-bootstrap.js';
export { Launcher, type LauncherOptions, type RunningMesh } from './launcher/launcher.js';
export type { Instance } from './launcher/instance.js';
export type { LaunchEvent } from './launcher/launch-event.js';
