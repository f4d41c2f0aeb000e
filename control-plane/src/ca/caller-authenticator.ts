import type { ServerUnaryCall } from '@grpc/grpc-js';
import type { JoinTokens } from '@heddle/certs/authority';
import { verifySvid } from '@heddle/certs/workload';
import type { Clock } from '@heddle/common';
import type { Caller, CallerProblem, CallerVerdict } from './caller.js';

/** What of a gRPC call tells who calls. */
export type IdentifiedCall = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getAuthContext'>;

const BEARER = 'Bearer ';

/**
 * Finds out who calls: by the client certificate of the connection, or by the join token in the metadata
 * (`authorization: Bearer TOKEN`).
 *
 * With a good certificate a token that has ended does no harm; one that names somebody else does, for then nobody knows
 * who calls. Whether a root stands behind the certificate was checked by TLS; everything else is checked here, for each
 * call, because a connection may outlive its certificate.
 */
export class CallerAuthenticator {
  readonly #tokens: JoinTokens;
  readonly #trustDomains: ReadonlySet<string>;
  readonly #clock: Clock;

  constructor(options: { readonly tokens: JoinTokens; readonly trustDomain: string; readonly clock: Clock }) {
    this.#tokens = options.tokens;
    this.#trustDomains = new Set([options.trustDomain]);
    this.#clock = options.clock;
  }

  /** Errors: none; whatever the call brings, the answer is a verdict. */
  authenticate(call: IdentifiedCall): CallerVerdict {
    const der = call.getAuthContext().sslPeerCertificate?.raw;
    const values = call.metadata.get('authorization');
    if (der === undefined) return this.#byToken(values);
    const certificate = this.#byCertificate(der);
    if (!certificate.ok || values.length === 0) return certificate;
    const token = this.#byToken(values);
    if (token.ok && token.caller.identity.uri !== certificate.caller.identity.uri) {
      return refuse(
        'proofs-differ',
        `the certificate is for ${certificate.caller.identity.uri}, the token for ${token.caller.identity.uri}`,
      );
    }
    return certificate;
  }

  #byCertificate(der: Buffer): CallerVerdict {
    const verdict = verifySvid(der, { trustDomains: this.#trustDomains, nowMs: this.#clock.nowMs() });
    if (!verdict.ok) {
      return refuse('certificate-refused', `the client certificate: ${verdict.reason} (${verdict.detail})`);
    }
    return accept({
      identity: verdict.spiffeId,
      by: 'certificate',
      provenUntilMs: verdict.notAfterMs,
      tokenId: undefined,
      certificate: der,
    });
  }

  #byToken(values: readonly (string | Buffer)[]): CallerVerdict {
    const [value, ...more] = values;
    if (value === undefined) {
      return refuse(
        'no-proof',
        'neither a client certificate that is trusted here nor a join token in the metadata "authorization: Bearer TOKEN"',
      );
    }
    if (more.length > 0) return refuse('several-tokens', 'there are several authorizations in the metadata');
    if (typeof value !== 'string' || !value.startsWith(BEARER)) {
      return refuse('no-bearer-token', 'the authorization in the metadata is not "Bearer TOKEN"');
    }
    const verdict = this.#tokens.verify(value.slice(BEARER.length));
    if (!verdict.ok) return refuse(`token-${verdict.reason}`, TOKEN_DETAILS[verdict.reason]);
    return accept({
      identity: verdict.spiffeId,
      by: 'token',
      provenUntilMs: verdict.expiresMs,
      tokenId: verdict.id,
      certificate: undefined,
    });
  }
}

const TOKEN_DETAILS = {
  malformed: 'the join token is not one',
  forged: 'the join token is not of this authority, or was changed',
  expired: 'the join token has expired',
  revoked: 'the join token was revoked',
  'other-trust-domain': 'the join token is of another trust domain',
} as const;

function accept(caller: Caller): CallerVerdict {
  return { ok: true, caller: Object.freeze(caller) };
}

function refuse(problem: CallerProblem, detail: string): CallerVerdict {
  return { ok: false, problem, detail };
}
