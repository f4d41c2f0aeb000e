import { parseDurationMs } from '@heddle/common';
import { textMatch } from './build-virtual-service.js';
import type { TextMatch } from './http-route.js';
import type { MeshResource } from './mesh-resource.js';
import type { MeshSettings } from './mesh-settings.js';
import { PolicyIndex, policyTargetOf, type PolicyTarget } from './policy-target.js';
import type { StringMatchSpec } from './specs/shared-fields.js';
import type { RateLimitSpec, RateSpec } from './specs/heddle.js';

/** A `RateLimit`. */
export interface RateLimit {
  /** `RateLimit/NAMESPACE/NAME`. */
  readonly key: string;
  readonly target: PolicyTarget;
  /** Of all requests; undefined: not limited together. */
  readonly requests: Rate | undefined;
  readonly connections: Rate | undefined;
  /** Of requests that match; each of them that does counts. */
  readonly rules: readonly RateLimitRule[];
  readonly perConnection: boolean;
  readonly status: number | undefined;
  readonly responseHeaders: boolean;
  readonly dryRun: boolean;
}

export interface Rate {
  readonly limit: number;
  readonly perMs: number;
  /** How many may come at once. */
  readonly burst: number;
}

export interface RateLimitRule {
  readonly name: string;
  /** Without the query. */
  readonly path: TextMatch | undefined;
  readonly method: TextMatch | undefined;
  readonly headers: readonly (readonly [name: string, match: TextMatch])[];
  readonly rate: Rate;
}

const built = new WeakMap<MeshResource, RateLimit>();

/** A `RateLimit`; the same object for the same resource. */
export function rateLimitOf(resource: MeshResource): RateLimit {
  let limit = built.get(resource);
  if (limit === undefined) {
    const spec = resource.spec as RateLimitSpec;
    limit = {
      key: resource.key,
      target: policyTargetOf(resource),
      requests: spec.requests && rateOf(spec.requests),
      connections: spec.connections && rateOf(spec.connections),
      rules: (spec.rules ?? []).map(({ name, match, requests }) => ({
        name,
        path: optionalMatch(match.path),
        method: optionalMatch(match.method),
        headers: Object.entries(match.headers ?? {}).map(
          ([header, value]) => [header.toLowerCase(), textMatch(value)] as const,
        ),
        rate: rateOf(requests),
      })),
      perConnection: spec.perConnection ?? false,
      status: spec.status,
      responseHeaders: spec.responseHeaders ?? true,
      dryRun: spec.dryRun ?? false,
    };
    built.set(resource, limit);
  }
  return limit;
}

export function indexRateLimits(
  resources: readonly MeshResource[],
  { rootNamespace }: MeshSettings,
): PolicyIndex<RateLimit> {
  return new PolicyIndex(resources.map(rateLimitOf), rootNamespace);
}

function optionalMatch(spec: StringMatchSpec | undefined): TextMatch | undefined {
  return spec === undefined ? undefined : textMatch(spec);
}

function rateOf({ limit, per, burst }: RateSpec): Rate {
  return { limit, perMs: parseDurationMs(per) ?? 0, burst: burst ?? limit };
}
