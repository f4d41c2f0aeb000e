export { envoy, google, xds } from '../gen/protos.js';
