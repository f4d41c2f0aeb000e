import type { Clock, Random } from '@heddle/common';
import {
  checkRequirement,
  isCorsPreflight,
  requirementFor,
  tokenRefused,
  unknownRequirement,
  type JwtAuthnConfig,
  type JwtCheck,
  type JwtFailure,
  type JwtMetadata,
  type JwtRouteConfig,
  type RequestHead,
} from '@heddle/engine';
import { FilterStatus, type DecoderFilter, type FilterHandle } from '../../filter.js';
import type { JwtAuthnStats } from './jwt-authn-stats.js';
import type { TokenVerifier } from './token-verifier.js';

/** The namespace of what is found out, in the dynamic metadata. */
const NAMESPACE = 'envoy.filters.http.jwt_authn';

/** What the JWT filters of one connection manager share. */
export interface JwtAuthnShared {
  readonly config: JwtAuthnConfig;
  readonly verifier: TokenVerifier;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: JwtAuthnStats;
}

/**
 * Lets a request pass when it has the tokens that are asked of it, and tells later filters what they say.
 *
 * Source: envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication.
 * Errors: 401, 403 for a wrong audience or a requirement that is not there; details `jwt_authn_access_denied{…}`.
 * Cost: everything is synchronous. A request without a token costs a look at its headers; the first request with a token a
 * verification (see `verifySignature`), later ones a look into a map.
 */
export class JwtAuthnFilter implements DecoderFilter, JwtCheck {
  readonly #shared: JwtAuthnShared;
  readonly #handle: FilterHandle;
  readonly verifier: TokenVerifier;
  nowSeconds = 0;
  metadata: JwtMetadata | undefined = undefined;

  constructor(shared: JwtAuthnShared, handle: FilterHandle) {
    this.#shared = shared;
    this.#handle = handle;
    this.verifier = shared.verifier;
  }

  /** Only while a request is checked. */
  get head(): RequestHead {
    return this.#handle.info.request as RequestHead;
  }

  decodeHeaders(head: RequestHead): FilterStatus {
    const { config, clock, random, stats } = this.#shared;
    const { reservedHeaders } = config;
    for (let i = 0; i < reservedHeaders.length; i++) head.headers.remove(reservedHeaders[i] as string);
    if (config.bypassCorsPreflight && isCorsPreflight(head)) {
      stats.corsPreflightBypassed.inc();
      stats.allowed.inc();
      return FilterStatus.Continue;
    }
    const route = this.#handle.routeConfig() as JwtRouteConfig | undefined;
    const requirement = requirementFor(config, route, head, random);
    if (requirement === undefined) {
      stats.denied.inc();
      const reply = unknownRequirement(route?.requirementName ?? '', config);
      this.#handle.sendLocalReply(reply);
      return FilterStatus.StopIteration;
    }
    this.nowSeconds = Math.floor(clock.nowMs() / 1000);
    const failure = checkRequirement(requirement, this);
    if (this.metadata !== undefined) this.#publish(this.metadata);
    if (failure !== undefined) return this.#deny(failure, head);
    stats.allowed.inc();
    return FilterStatus.Continue;
  }

  onDestroy(): void {
    // Nothing is pending: a token is verified or refused at once.
  }

  #deny(failure: JwtFailure, head: RequestHead): FilterStatus {
    this.#shared.stats.denied.inc();
    this.#handle.sendLocalReply(tokenRefused(failure, head, this.#shared.config));
    return FilterStatus.StopIteration;
  }

  #publish(found: JwtMetadata): void {
    const { info } = this.#handle;
    info.dynamicMetadata ??= new Map();
    const before = info.dynamicMetadata.get(NAMESPACE);
    info.dynamicMetadata.set(NAMESPACE, before === undefined ? found : { ...before, ...found });
  }
}
