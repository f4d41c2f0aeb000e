import { isIP } from 'node:net';
import { closestName } from '@heddle/common';
import {
  conditionKeyOf,
  namedConditionKeys,
  plainConditionKeys,
  type AuthorizationAttribute,
} from '../model/authorization-policy.js';
import type { FieldPath } from '../model/mesh-resource.js';
import type { AuthorizationPolicySpec, AuthorizationRuleSpec } from '../model/specs/security.js';
import { formats } from './schema/formats.js';
import type { SchemaProblem } from './validate-resource.js';

/**
 * What the schema cannot say of an AuthorizationPolicy. Source: Istio's ValidateAuthorizationPolicy.
 *
 * What would silently never match is an error, not a warning as elsewhere: in a policy that denies it is an open door.
 */
export function checkAuthorizationPolicy(spec: AuthorizationPolicySpec): SchemaProblem[] {
  const { action = 'ALLOW', rules } = spec;
  const problems: SchemaProblem[] = [];
  if (action === 'CUSTOM') {
    problems.push({
      path: ['spec', 'action'],
      message:
        'action CUSTOM is not built yet, and without it requests would pass that somebody else has to judge',
      expected: 'ALLOW, DENY or AUDIT',
    });
  } else if (spec.provider !== undefined) {
    problems.push({
      path: ['spec', 'provider'],
      message: `a provider has no place beside action ${action}`,
      expected: 'no provider',
      at: 'key',
    });
  }
  if ((rules ?? []).length === 0 && action !== 'ALLOW') {
    problems.push({
      path: ['spec'],
      message: `action ${action} without rules does nothing`,
      expected: 'rules; "- {}" is one that matches everything',
      severity: 'warning',
    });
  }
  for (const [i, rule] of (rules ?? []).entries()) checkRule(rule, ['spec', 'rules', i], problems);
  return problems;
}

const FIELDS: Readonly<Record<string, AuthorizationAttribute>> = {
  principals: 'principal',
  notPrincipals: 'principal',
  requestPrincipals: 'request-principal',
  notRequestPrincipals: 'request-principal',
  namespaces: 'namespace',
  notNamespaces: 'namespace',
  hosts: 'host',
  notHosts: 'host',
  methods: 'method',
  notMethods: 'method',
  paths: 'path',
  notPaths: 'path',
};

function checkRule(rule: AuthorizationRuleSpec, path: FieldPath, problems: SchemaProblem[]): void {
  const checkAll = (part: object, at: FieldPath): void => {
    for (const [field, values] of Object.entries(part)) {
      const attribute = FIELDS[field];
      if (attribute !== undefined)
        checkValues(attribute, values as readonly string[], [...at, field], problems);
    }
  };
  for (const [i, { source }] of (rule.from ?? []).entries()) {
    const at = [...path, 'from', i, 'source'];
    saysSomething(source, at, problems);
    checkAll(source, at);
    const accounts = source.serviceAccounts !== undefined || source.notServiceAccounts !== undefined;
    const names = ['principals', 'notPrincipals', 'namespaces', 'notNamespaces'] as const;
    const other = accounts ? names.find((name) => source[name] !== undefined) : undefined;
    if (other !== undefined) {
      problems.push({
        path: [...at, other],
        message: `${other} cannot stand beside service accounts`,
        expected: 'one of them, or another source',
        at: 'key',
      });
    }
  }
  for (const [i, { operation }] of (rule.to ?? []).entries()) {
    const at = [...path, 'to', i, 'operation'];
    saysSomething(operation, at, problems);
    checkAll(operation, at);
  }
  for (const [i, condition] of (rule.when ?? []).entries()) {
    checkCondition(condition, [...path, 'when', i], problems);
  }
}

function saysSomething(part: object, path: FieldPath, problems: SchemaProblem[]): void {
  if (Object.keys(part).length > 0) return;
  problems.push({
    path,
    message: `${String(path.at(-1))} says nothing, so it would match everything`,
    expected: 'at least one field, or a rule without it',
  });
}

type WhenSpec = NonNullable<AuthorizationRuleSpec['when']>[number];

function checkCondition(
  { key, values, notValues }: WhenSpec,
  path: FieldPath,
  problems: SchemaProblem[],
): void {
  const found = conditionKeyOf(key);
  if (found === undefined) {
    const known = [
      ...Object.keys(plainConditionKeys),
      ...Object.keys(namedConditionKeys).map((name) => `${name}[NAME]`),
    ];
    problems.push({
      path: [...path, 'key'],
      message: `${JSON.stringify(key)} is nothing that can be asked for`,
      expected: `one of ${known.join(', ')}`,
      suggestion: closestName(key, known),
    });
    return;
  }
  if (values === undefined && notValues === undefined) {
    problems.push({
      path,
      message: `the condition on ${key} says nothing, so it would always hold`,
      expected: 'values or notValues',
    });
  }
  if (found.attribute === 'header' && formats['header-name']?.(found.path[0] ?? '') !== true) {
    problems.push({
      path: [...path, 'key'],
      message: `${JSON.stringify(found.path[0])} is no name of a header`,
      expected: 'request.headers[NAME]',
    });
  }
  for (const [field, list] of Object.entries({ values, notValues })) {
    checkValues(found.attribute, list ?? [], [...path, field], problems);
  }
}

/** At the beginning or the end a star stands for any text; elsewhere it stands for itself. */
const STAR_INSIDE = /^.+\*.+$|^\*.*\*$/s;

function checkValues(
  attribute: AuthorizationAttribute,
  values: readonly string[],
  path: FieldPath,
  problems: SchemaProblem[],
): void {
  for (const [i, value] of values.entries()) {
    const mistake = mistakeIn(attribute, value);
    if (mistake !== undefined) problems.push({ path: [...path, i], ...mistake });
  }
}

function mistakeIn(
  attribute: AuthorizationAttribute,
  value: string,
): Omit<SchemaProblem, 'path'> | undefined {
  const shown = JSON.stringify(value.slice(0, 200));
  switch (attribute) {
    case 'peer-ip':
    case 'client-ip':
    case 'destination-ip':
      if (formats['cidr']?.(value) === true) return undefined;
      return { message: `${shown} is no address`, expected: 'an IP address or a range such as 10.0.0.0/8' };
    case 'port':
      if (formats['port-number']?.(value) === true) return undefined;
      return { message: `${shown} is no port`, expected: 'the number of a port, "1" to "65535"' };
    case 'service-account':
      if (formats['service-account']?.(value) === true) return undefined;
      return { message: `${shown} names no service account`, expected: 'a name, or NAMESPACE/NAME' };
    case 'namespace':
      if (/^[-a-z0-9*]+$/.test(value)) return undefined;
      return { message: `${shown} is no namespace`, expected: 'a namespace; * stands for any text' };
    case 'principal':
      if (value.startsWith('spiffe://')) {
        return {
          message: `${shown} would match nobody: principals are written without spiffe://`,
          expected: 'TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT',
        };
      }
      break;
    case 'host': {
      const host = value.replaceAll('*', '').replace(/:\d*$/, '');
      if (!/^[A-Za-z0-9._-]*$/.test(host) && isIP(host.replace(/^\[|\]$/g, '')) === 0) {
        return {
          message: `${shown} is no host`,
          expected: 'a host such as shop.example, *.example or shop.*',
        };
      }
      break;
    }
    case 'path':
      if (/[{}]/.test(value)) return mistakeInTemplate(value, shown);
      if (!/^[/*]/.test(value)) {
        return {
          message: `${shown} matches no path: they begin with /`,
          expected: 'a path such as /api, /api/* or *.json',
          severity: 'warning',
        };
      }
      break;
    case 'method':
      // Whoever thinks up methods may write them small.
      if (value !== value.toUpperCase()) {
        return {
          message: `${shown} matches no method of HTTP: they are written in capitals`,
          expected: 'a method such as GET',
          suggestion: value.toUpperCase(),
          severity: 'warning',
        };
      }
      break;
    default:
  }
  if (!STAR_INSIDE.test(value)) return undefined;
  const message = `${shown} matches only itself: * stands for any text only at the beginning or the end`;
  const expected = 'a text, *text or text*';
  // What may hold a star of its own may be meant so.
  return attribute === 'path' || attribute === 'header' || attribute === 'claim'
    ? { message, expected, severity: 'warning' }
    : { message, expected };
}

/** Source: Istio's CheckValidPathTemplate. */
function mistakeInTemplate(path: string, shown: string): { message: string; expected: string } | undefined {
  const expected = 'a path whose segments are text, {*} for one segment, or {**} at last for the rest';
  if (!path.startsWith('/')) return { message: `the template ${shown} does not begin with /`, expected };
  const segments = path.replace(/^\/|\/$/g, '').split('/');
  const rest = segments.indexOf('{**}');
  for (const [i, segment] of segments.entries()) {
    if (segment === '{*}' || segment === '{**}') {
      if (rest !== -1 && i > rest)
        return { message: `in the template ${shown}, {**} is not the last one`, expected };
    } else if (/[{}*]/.test(segment)) {
      return { message: `the template ${shown} has the segment ${JSON.stringify(segment)}`, expected };
    }
  }
  return undefined;
}
