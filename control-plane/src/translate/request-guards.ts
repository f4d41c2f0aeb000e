import type { envoy } from '@heddle/xds-protos';
import type { MeshModel } from '../model/mesh-model.js';
import type { PolicySubject } from '../model/policy-target.js';
import { jwtFilterOf } from './translate-request-authentication.js';

type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.IHttpFilter;

/** The filters that may refuse a request to a workload, in the order in which they run: who calls is known before what it may do. */
export function requestGuards(model: MeshModel, subject: PolicySubject): readonly HttpFilter[] {
  const jwt = jwtFilterOf(model, subject);
  return jwt === undefined ? [] : [jwt];
}
