export {
  proxyBootstrap,
  type ExplicitPlan,
  type ProxyIdentityPlan,
  type ProxyBootstrapOptions,
} from './launcher/proxy-bootstrap.js';
