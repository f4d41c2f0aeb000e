import type { MeshKind } from '../../model/mesh-resource.js';
import { authorizationPolicySchema } from './authorization-policy.js';
import { canarySchema } from './canary.js';
import { destinationRuleSchema } from './destination-rule.js';
import { gatewaySchema, kubernetesGatewaySchema } from './gateway.js';
import { httpRouteSchema } from './http-route.js';
import { peerAuthenticationSchema } from './peer-authentication.js';
import { rateLimitSchema } from './rate-limit.js';
import { requestAuthenticationSchema } from './request-authentication.js';
import type { Schema } from './schema-parts.js';
import { secretSchema } from './secret.js';
import { serviceEntrySchema } from './service-entry.js';
import { serviceSchema } from './service.js';
import { telemetrySchema } from './telemetry.js';
import { virtualServiceSchema } from './virtual-service.js';
import { workloadEntrySchema } from './workload-entry.js';
import { workloadSchema } from './workload.js';

/** The schema of each kind. */
export const schemas: Readonly<Record<MeshKind, Schema>> = {
  Service: serviceSchema,
  Secret: secretSchema,
  VirtualService: virtualServiceSchema,
  DestinationRule: destinationRuleSchema,
  ServiceEntry: serviceEntrySchema,
  WorkloadEntry: workloadEntrySchema,
  Gateway: gatewaySchema,
  KubernetesGateway: kubernetesGatewaySchema,
  HTTPRoute: httpRouteSchema,
  AuthorizationPolicy: authorizationPolicySchema,
  PeerAuthentication: peerAuthenticationSchema,
  RequestAuthentication: requestAuthenticationSchema,
  Telemetry: telemetrySchema,
  RateLimit: rateLimitSchema,
  Workload: workloadSchema,
  Canary: canarySchema,
};
