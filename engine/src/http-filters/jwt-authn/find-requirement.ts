import type { Random } from '@heddle/common';
import type { RequestHead } from '../../http/message-head.js';
import { pathForMatching } from '../../route/path-match.js';
import { mismatch, MISMATCH } from '../../route/route-mismatch.js';
import type { JwtAuthnConfig, JwtRequirement, JwtRouteConfig } from './jwt-authn-config.js';

const NONE: JwtRequirement = Object.freeze({ kind: 'none' });

/**
 * What is asked of a request: by its route, when that names a requirement, else by the first rule that matches.
 *
 * Errors: undefined when the route names one that is not there.
 */
export function requirementFor(
  config: JwtAuthnConfig,
  route: JwtRouteConfig | undefined,
  head: RequestHead,
  random: Random,
): JwtRequirement | undefined {
  if (route !== undefined) return config.requirements.get(route.requirementName);
  const { rules } = config;
  const path = pathForMatching(head.path, false);
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as (typeof rules)[0];
    const draw = rule.match.runtimeFraction < 1 ? random() : 0;
    if (mismatch(rule, head, path, draw) === MISMATCH.none) return rule.requirement;
  }
  return NONE;
}
