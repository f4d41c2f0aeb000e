import { parseDurationMs } from '@heddle/common';
import { parseJwks } from '@heddle/engine';
import { formatJwks } from './format-jwks.js';
import { keySourceOf, type KeySets } from './key-sets.js';
import type { MeshResource } from './mesh-resource.js';
import type { MeshSettings } from './mesh-settings.js';
import { PolicyIndex, policyTargetOf, type PolicySubject, type PolicyTarget } from './policy-target.js';
import type { JwtRuleSpec, RequestAuthenticationSpec } from './specs/security.js';
import { problemAt, type SourceProblem } from './source-problem.js';

/** A `RequestAuthentication`. */
export interface RequestAuthentication {
  /** `RequestAuthentication/NAMESPACE/NAME`. */
  readonly key: string;
  readonly target: PolicyTarget;
  readonly rules: readonly JwtRule[];
}

/** Whose tokens are accepted, found where, and what is passed on of them. Empty texts: not said. */
export interface JwtRule {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly keys:
    | { readonly kind: 'inline'; readonly jwks: string }
    /** `source` is a name that `KeySets` knows; `timeoutMs` undefined: not said. */
    | { readonly kind: 'fetched'; readonly source: string; readonly timeoutMs: number | undefined };
  readonly fromHeaders: readonly { readonly name: string; readonly prefix: string }[];
  readonly fromParams: readonly string[];
  readonly fromCookies: readonly string[];
  readonly outputPayloadToHeader: string;
  readonly outputClaimToHeaders: readonly { readonly header: string; readonly claim: string }[];
  readonly forwardOriginalToken: boolean;
  readonly spaceDelimitedClaims: readonly string[];
}

const built = new WeakMap<MeshResource, RequestAuthentication>();

/** A `RequestAuthentication`; the same object for the same resource. */
export function requestAuthenticationOf(resource: MeshResource): RequestAuthentication {
  let policy = built.get(resource);
  if (policy === undefined) {
    const { jwtRules = [] } = resource.spec as RequestAuthenticationSpec;
    policy = {
      key: resource.key,
      target: policyTargetOf(resource),
      rules: jwtRules.map(jwtRuleOf),
    };
    built.set(resource, policy);
  }
  return policy;
}

function jwtRuleOf(spec: JwtRuleSpec): JwtRule {
  const issuer = spec.issuer ?? '';
  return {
    issuer,
    audiences: spec.audiences ?? [],
    keys:
      spec.jwks === undefined
        ? {
            kind: 'fetched',
            source: keySourceOf(spec.jwksUri ?? spec.jwks_uri, issuer),
            timeoutMs: spec.timeout === undefined ? undefined : parseDurationMs(spec.timeout),
          }
        : { kind: 'inline', jwks: formatJwks(parseJwks(spec.jwks).keys) },
    fromHeaders: (spec.fromHeaders ?? []).map(({ name, prefix = '' }) => ({ name, prefix })),
    fromParams: spec.fromParams ?? [],
    fromCookies: spec.fromCookies ?? [],
    outputPayloadToHeader: spec.outputPayloadToHeader ?? '',
    outputClaimToHeaders: spec.outputClaimToHeaders ?? [],
    forwardOriginalToken: spec.forwardOriginalToken ?? false,
    spaceDelimitedClaims: spec.spaceDelimitedClaims ?? [],
  };
}

const lastIndexes = new WeakMap<MeshSettings, PolicyIndex<RequestAuthentication>>();

/** All of them; the same object as for the last model, while they are the same. */
export function indexRequestAuthentications(
  resources: readonly MeshResource[],
  settings: MeshSettings,
): PolicyIndex<RequestAuthentication> {
  const index = new PolicyIndex(resources.map(requestAuthenticationOf), settings.rootNamespace);
  const last = lastIndexes.get(settings);
  if (last?.holdsTheSame(index) === true) return last;
  lastIndexes.set(settings, index);
  return index;
}

/** The rules of all policies that concern a workload, by issuer. Source: Istio: policies of one workload add up. */
export function jwtRulesOf(
  policies: PolicyIndex<RequestAuthentication>,
  subject: PolicySubject,
): readonly JwtRule[] {
  if (policies.policies.length === 0) return [];
  const rules = policies.all(subject).flatMap((policy) => policy.rules);
  return rules.sort((a, b) => (a.issuer < b.issuer ? -1 : a.issuer > b.issuer ? 1 : 0));
}

/** What is to be fetched for all policies, with the longest time that any of them gives it. */
export function wantedKeySources(resources: Iterable<MeshResource>): ReadonlyMap<string, number | undefined> {
  const wanted = new Map<string, number | undefined>();
  for (const resource of resources) {
    if (resource.kind !== 'RequestAuthentication') continue;
    for (const { keys } of requestAuthenticationOf(resource).rules) {
      if (keys.kind === 'inline') continue;
      const longest = Math.max(wanted.get(keys.source) ?? 0, keys.timeoutMs ?? 0);
      wanted.set(keys.source, longest === 0 ? undefined : longest);
    }
  }
  return wanted;
}

/** Key sets that are missing or grow old. */
export function keySetProblems(resources: readonly MeshResource[], keySets: KeySets): SourceProblem[] {
  const problems: SourceProblem[] = [];
  for (const resource of resources) {
    for (const [i, { issuer, keys }] of requestAuthenticationOf(resource).rules.entries()) {
      const state = keys.kind === 'fetched' ? keySets.get(keys.source) : undefined;
      if (state?.problem === undefined) continue;
      const consequence =
        state.jwks === undefined
          ? `every token of ${JSON.stringify(issuer)} is refused`
          : 'the last good keys stay in force';
      const { jwksUri, jwks_uri: old } = (resource.spec as RequestAuthenticationSpec).jwtRules?.[i] ?? {};
      const field = jwksUri !== undefined ? 'jwksUri' : old !== undefined ? 'jwks_uri' : 'issuer';
      problems.push(
        problemAt(resource, ['spec', 'jwtRules', i, field], {
          message: `the keys cannot be fetched, so ${consequence}: ${state.problem}`,
          expected: 'a key set that heddled can reach',
          severity: 'warning',
        }),
      );
    }
  }
  return problems;
}
