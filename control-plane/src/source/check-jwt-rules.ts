import { parseJwks } from '@heddle/engine';
import type { JwtRuleSpec, RequestAuthenticationSpec } from '../model/specs/security.js';
import type { SchemaProblem } from './validate-resource.js';

/** What the schema cannot say of a RequestAuthentication. Source: Istio's validateJwtRule. */
export function checkJwtRules({ jwtRules = [] }: RequestAuthenticationSpec): SchemaProblem[] {
  return jwtRules.flatMap((rule, i) => checkRule(rule, ['spec', 'jwtRules', i]));
}

function checkRule(rule: JwtRuleSpec, path: readonly (string | number)[]): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  const { issuer = '', jwks, jwksUri = rule.jwks_uri } = rule;
  if (rule.jwksUri !== undefined && rule.jwks_uri !== undefined) {
    problems.push({
      path: [...path, 'jwks_uri'],
      message: 'jwksUri and jwks_uri are two names of one field',
      expected: 'only jwksUri',
      at: 'key',
    });
  }
  if (jwks !== undefined) problems.push(...checkJwks(jwks, [...path, 'jwks']));
  if (jwks !== undefined && jwksUri !== undefined) {
    problems.push({
      path: [...path, 'jwks'],
      message: 'jwks and jwksUri exclude each other',
      expected: 'only one of jwks, jwksUri',
      at: 'key',
    });
  }
  if (issuer === '' && jwksUri === undefined) {
    problems.push({
      path,
      message: 'the rule has neither an issuer nor a jwksUri',
      expected: 'the issuer whose tokens are accepted',
    });
  } else if (jwks === undefined && jwksUri === undefined && !/^https?:\/\/[^/?#@]+/.test(issuer)) {
    problems.push({
      path: [...path, 'issuer'],
      message: `the issuer ${JSON.stringify(issuer)} is no URL, so its keys cannot be discovered`,
      expected: 'jwksUri or jwks beside it',
    });
  }
  return problems;
}

/** No usable key is an error, because every token would be refused; an unusable one beside others is a warning. */
function checkJwks(jwks: string, path: readonly (string | number)[]): SchemaProblem[] {
  const { keys, problems } = parseJwks(jwks);
  return problems.map((message) => ({
    path,
    message,
    expected: 'a JSON Web Key Set with public keys (RSA of 2048 bits, EC or Ed25519)',
    ...(keys.length > 0 ? { severity: 'warning' as const } : {}),
  }));
}
