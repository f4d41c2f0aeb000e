import { status, type Server, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { CertificateRequestError } from '@heddle/certs';
import type { Authority } from '@heddle/certs/authority';
import { describeError, type Clock, type Logger } from '@heddle/common';
import { certificateService, type istio } from '@heddle/xds-protos';
import type { CallerAuthenticator } from './caller-authenticator.js';
import { IdentityBudget, type IdentityBudgetOptions } from './identity-budget.js';
import type { RefusalLog } from './refusal-log.js';

type Request = istio.v1.auth.IstioCertificateRequest;
type Response = istio.v1.auth.IIstioCertificateResponse;

export interface CertificateServiceOptions {
  readonly authority: Authority;
  readonly authenticator: CallerAuthenticator;
  readonly refusals: RefusalLog;
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget?: Omit<IdentityBudgetOptions, 'clock'>;
}

type Outcome = { readonly kind: 'issued'; readonly response: Response } | Refusal;

interface Refusal {
  readonly kind: 'refused';
  readonly code: status;
  readonly reason: string;
  readonly detail: string;
}

/**
 * Signs certificates for whoever proves who it is: for that identity, whatever the request asks for.
 *
 * Shape: the answer is the leaf, then all roots to trust, the one that signed first.
 * Source: istio.v1.auth.IstioCertificateService.
 */
export class CertificateService {
  readonly #options: CertificateServiceOptions;
  readonly #budget: IdentityBudget;

  constructor(options: CertificateServiceOptions) {
    this.#options = options;
    this.#budget = new IdentityBudget({ clock: options.clock, ...options.budget });
  }

  /** Adds the service to a gRPC server. */
  register(server: Server): void {
    server.addService(certificateService, {
      CreateCertificate: (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) =>
        this.#create(call, callback),
    });
  }

  #create(call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void {
    const outcome = this.#sign(call);
    if (outcome.kind === 'issued') {
      callback(null, outcome.response);
      return;
    }
    const { code, reason, detail } = outcome;
    this.#options.refusals.note('certificate refused', reason, { peer: call.getPeer(), detail });
    callback({ code, details: detail });
  }

  #sign(call: ServerUnaryCall<Request, Response>): Outcome {
    const { authority, authenticator, log } = this.#options;
    const verdict = authenticator.authenticate(call);
    if (!verdict.ok) return refuse(status.UNAUTHENTICATED, verdict.problem, verdict.detail);
    const { identity, by, tokenId } = verdict.caller;
    if (!this.#budget.take(identity.uri)) {
      const detail = `${identity.uri} asks for certificates too often`;
      return refuse(status.RESOURCE_EXHAUSTED, 'too-often', detail);
    }
    const { csr, validityDuration } = call.request;
    try {
      const issued = authority.sign(
        csr,
        identity,
        // What makes no sense as a duration leaves it to the authority, as Istio's does.
        validityDuration > 0 ? { ttlMs: validityDuration * 1000 } : {},
      );
      log.info('certificate issued', () => ({
        identity: identity.uri,
        serial: issued.serialHex,
        notAfter: new Date(issued.notAfterMs).toISOString(),
        provenBy: by,
        ...(tokenId === undefined ? {} : { tokenId }),
        peer: call.getPeer(),
      }));
      const certChain = [issued.chainPem, ...authority.roots.map(({ pem }) => pem)];
      return { kind: 'issued', response: { certChain } };
    } catch (error) {
      return refusalOf(error);
    }
  }
}

function refusalOf(error: unknown): Refusal {
  const detail = describeError(error);
  if (error instanceof CertificateRequestError) {
    return refuse(status.INVALID_ARGUMENT, 'bad-request', detail);
  }
  // The state of the authority, or a bug: nothing that whoever asked could mend.
  return refuse(status.INTERNAL, 'authority-failed', detail);
}

function refuse(code: status, reason: string, detail: string): Refusal {
  return { kind: 'refused', code, reason, detail };
}
