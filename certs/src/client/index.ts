export { channelSecurity, type ChannelSecurity, type ServerName } from './channel-security.js';
export {
  WorkloadIdentity,
  type WorkloadIdentityOptions,
  type WorkloadIdentityState,
} from './workload-identity.js';
