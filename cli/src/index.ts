export { proxyBootstrap, type ExplicitPlan, type ProxyBootstrapOptions } from './launcher/proxy-bootstrap.js';
