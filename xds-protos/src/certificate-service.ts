import { istio } from '../gen/protos.js';
import { grpcMethod } from './grpc-method.js';

const { IstioCertificateRequest, IstioCertificateResponse } = istio.v1.auth;

/**
 * The gRPC service by which workloads get certificates signed, for grpc-js's server and client alike.
 *
 * Source: istio.v1.auth.IstioCertificateService.
 */
export const certificateService = {
  CreateCertificate: grpcMethod(
    'istio.v1.auth.IstioCertificateService',
    'CreateCertificate',
    false,
    IstioCertificateRequest,
    IstioCertificateResponse,
  ),
} as const;
