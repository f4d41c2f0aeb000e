import { isIP } from 'node:net';
import { hostMatches } from '../model/hostname.js';
import type { MeshResource } from '../model/mesh-resource.js';
import type { DestinationRuleSpec } from '../model/specs/destination-rule.js';
import type { GatewaySpec, KubernetesGatewaySpec } from '../model/specs/gateways.js';
import type { CanarySpec, RateLimitSpec } from '../model/specs/heddle.js';
import type { HttpRouteSpec } from '../model/specs/http-route.js';
import type {
  AuthorizationPolicySpec,
  PeerAuthenticationSpec,
  RequestAuthenticationSpec,
} from '../model/specs/security.js';
import type { ServiceEntrySpec, ServiceSpec, WorkloadSpec } from '../model/specs/services.js';
import type { TelemetrySpec } from '../model/specs/telemetry.js';
import type { HttpRuleSpec, VirtualServiceSpec } from '../model/specs/virtual-service.js';
import { checkAuthorizationPolicy } from './check-authorization-policy.js';
import { checkCanary } from './check-canary.js';
import { checkJwtRules } from './check-jwt-rules.js';
import { checkGatewayTls, checkKubernetesGatewayTls } from './check-gateway-tls.js';
import { checkLocalities } from './check-localities.js';
import { checkRateLimit } from './check-rate-limit.js';
import { checkTelemetry } from './check-telemetry.js';
import { checkDestinationTls } from './check-destination-tls.js';
import { regexMistake } from './schema/formats.js';
import type { SchemaProblem } from './validate-resource.js';

/** What a schema cannot say of a single resource. What needs other resources is checked when the model is built. */
export function checkResource(resource: MeshResource): readonly SchemaProblem[] {
  switch (resource.kind) {
    case 'VirtualService':
      return checkVirtualService(resource.spec as VirtualServiceSpec);
    case 'DestinationRule':
      return checkDestinationRule(resource.spec as DestinationRuleSpec);
    case 'Service':
      return checkService(resource.spec as ServiceSpec);
    case 'ServiceEntry':
      return checkServiceEntry(resource.spec as ServiceEntrySpec);
    case 'Gateway':
      return checkGatewayTls(resource.spec as GatewaySpec);
    case 'KubernetesGateway':
      return checkKubernetesGateway(resource.spec as KubernetesGatewaySpec, resource.namespace);
    case 'HTTPRoute':
      return checkHttpRoute(resource.spec as HttpRouteSpec);
    case 'Workload':
      return unique((resource.spec as WorkloadSpec).ports ?? [], ['spec', 'ports'], ['name', 'port']);
    case 'PeerAuthentication':
      return checkPeerAuthentication(resource.spec as PeerAuthenticationSpec);
    case 'RequestAuthentication':
      return checkJwtRules(resource.spec as RequestAuthenticationSpec);
    case 'RateLimit':
      return checkRateLimit(resource.spec as RateLimitSpec);
    case 'Canary':
      return checkCanary(resource.spec as CanarySpec);
    case 'Telemetry':
      return checkTelemetry(resource.spec as TelemetrySpec);
    case 'AuthorizationPolicy':
      return checkAuthorizationPolicy(resource.spec as AuthorizationPolicySpec);
    case 'Secret':
    case 'WorkloadEntry':
      return [];
  }
}

function checkVirtualService(spec: VirtualServiceSpec): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  if (spec.http === undefined && spec.tcp === undefined && spec.tls === undefined) {
    problems.push({ path: ['spec'], message: 'spec has no rules', expected: 'http, tcp or tls' });
  }
  for (const [i, host] of spec.hosts.entries()) {
    if (host.startsWith('*') && (spec.gateways ?? ['mesh']).includes('mesh') && host === '*') {
      problems.push({
        path: ['spec', 'hosts', i],
        message: 'the host * inside the mesh would take the calls to every service',
        expected: 'names of services, or gateways without mesh',
      });
    }
  }
  for (const [i, rule] of (spec.http ?? []).entries()) checkHttpRule(rule, ['spec', 'http', i], problems);
  for (const kind of ['tcp', 'tls'] as const) {
    for (const [i, { route }] of (spec[kind] ?? []).entries()) {
      if (route.length === 1 || route.some(({ weight }) => (weight ?? 0) > 0)) continue;
      problems.push({
        path: ['spec', kind, i, 'route'],
        message: 'all weights are zero',
        expected: 'a weight above zero',
      });
    }
  }
  for (const [i, rule] of (spec.tls ?? []).entries()) {
    for (const [j, { sniHosts, gateways }] of rule.match.entries()) {
      const path = ['spec', 'tls', i, 'match', j];
      for (const [k, name] of sniHosts.entries()) {
        if (spec.hosts.some((host) => hostMatches(host.toLowerCase(), name.toLowerCase()))) continue;
        problems.push({
          path: [...path, 'sniHosts', k],
          message: `${name} is none of the hosts of this VirtualService`,
          expected: `one that ${spec.hosts.join(', ')} ${spec.hosts.length === 1 ? 'covers' : 'cover'}`,
        });
      }
      if (!(gateways ?? spec.gateways ?? ['mesh']).includes('mesh')) continue;
      problems.push({
        path,
        message:
          'TLS is routed by its server name at gateways alone; inside the mesh this rule is not in force',
        expected: 'gateways without mesh',
        severity: 'warning',
      });
    }
  }
  return problems;
}

function checkHttpRule(
  rule: HttpRuleSpec,
  path: readonly (string | number)[],
  problems: SchemaProblem[],
): void {
  const routes = rule.route ?? [];
  if (routes.length > 1 && routes.every(({ weight }) => (weight ?? 0) === 0)) {
    problems.push({
      path: [...path, 'route'],
      message: 'all weights are zero, so every request would fail',
      expected: 'at least one weight above zero',
    });
  }
  const total = routes.reduce((sum, { weight }) => sum + (weight ?? 0), 0);
  if (total > 4_294_967_295) {
    problems.push({
      path: [...path, 'route'],
      message: `the weights add up to ${total}`,
      expected: 'at most 4294967295',
    });
  }
  if (rule.rewrite !== undefined && rule.route === undefined) {
    problems.push({
      path: [...path, 'rewrite'],
      message: 'rewrite stands without a route',
      expected: 'route beside rewrite',
      at: 'key',
    });
  }
  for (const [j, { headers }] of routes.entries()) {
    checkEdits(headers, [...path, 'route', j, 'headers'], problems);
  }
  checkEdits(rule.headers, [...path, 'headers'], problems);
  if (rule.mirror !== undefined && rule.mirrors !== undefined) {
    problems.push({
      path: [...path, 'mirrors'],
      message: 'mirror and mirrors exclude each other',
      expected: 'only one of mirror, mirrors',
      at: 'key',
    });
  }
}

const untouchable = new Set([
  ':method',
  ':path',
  ':scheme',
  'connection',
  'transfer-encoding',
  'content-length',
  'te',
  'upgrade',
]);

function checkEdits(
  headers: HttpRuleSpec['headers'],
  path: readonly (string | number)[],
  problems: SchemaProblem[],
): void {
  for (const side of ['request', 'response'] as const) {
    const edits = headers?.[side];
    const names = [
      ...Object.keys(edits?.set ?? {}).map((n) => ['set', n]),
      ...Object.keys(edits?.add ?? {}).map((n) => ['add', n]),
    ];
    for (const [action = '', name = ''] of names) {
      if (untouchable.has(name.toLowerCase())) {
        problems.push({
          path: [...path, side, action, name],
          message: `the header ${name} frames the message and cannot be changed by a rule`,
          expected: 'another header',
          at: 'key',
        });
      }
    }
    for (const action of ['set', 'add'] as const) {
      for (const [name, value] of Object.entries(edits?.[action] ?? {})) {
        // eslint-disable-next-line no-control-regex -- what no header value may hold
        if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) {
          problems.push({
            path: [...path, side, action, name],
            message: `the value of ${name} has control characters`,
            expected: 'text on one line',
          });
        }
      }
    }
  }
}

function checkDestinationRule(spec: DestinationRuleSpec): SchemaProblem[] {
  return [
    ...unique(spec.subsets ?? [], ['spec', 'subsets'], ['name']),
    ...checkDestinationTls(spec),
    ...checkLocalities(spec),
  ];
}

function checkService(spec: ServiceSpec): SchemaProblem[] {
  const ports = spec.ports ?? [];
  const problems = unique(ports, ['spec', 'ports'], ['name']);
  const seen = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const key = `${port.port} ${port.protocol ?? 'TCP'}`;
    if (seen.has(key))
      problems.push({
        path: ['spec', 'ports', i, 'port'],
        message: `port ${port.port} stands twice`,
        expected: 'each port once',
      });
    seen.add(key);
    if (ports.length > 1 && port.name === undefined) {
      problems.push({
        path: ['spec', 'ports', i],
        message: `ports[${i}] lacks "name"`,
        expected: 'a name for each of several ports',
      });
    }
  }
  if (spec.type === 'ExternalName' && spec.externalName === undefined) {
    problems.push({
      path: ['spec', 'type'],
      message: 'spec lacks "externalName"',
      expected: 'the host that ExternalName stands for',
    });
  } else if (ports.length === 0 && spec.type !== 'ExternalName') {
    problems.push({
      path: ['spec'],
      message: 'spec lacks "ports"',
      expected: 'a list with at least one port',
    });
  }
  return problems;
}

function checkServiceEntry(spec: ServiceEntrySpec): SchemaProblem[] {
  const problems = unique(spec.ports, ['spec', 'ports'], ['name', 'number']);
  for (const [i, host] of spec.hosts.entries()) {
    if (host === '*') {
      problems.push({
        path: ['spec', 'hosts', i],
        message: 'the host * would stand for everything',
        expected: 'a host, or *.example.com',
      });
    }
  }
  for (const [i, { address }] of (spec.endpoints ?? []).entries()) {
    if (address === undefined) {
      problems.push({
        path: ['spec', 'endpoints', i],
        message: `endpoints[${i}] lacks "address"`,
        expected: 'an IP address or a host name',
      });
    } else if (spec.resolution === 'STATIC' && isIP(address) === 0) {
      problems.push({
        path: ['spec', 'endpoints', i, 'address'],
        message: `${address} is no IP address, and with resolution STATIC nothing resolves it`,
        expected: 'an IP address, or resolution DNS',
      });
    }
  }
  if (spec.resolution === 'STATIC' && spec.endpoints === undefined && spec.workloadSelector === undefined) {
    problems.push({
      path: ['spec', 'resolution'],
      message: 'resolution STATIC has no endpoints',
      expected: 'endpoints or workloadSelector',
      severity: 'warning',
    });
  }
  if (spec.resolution === undefined || spec.resolution === 'NONE') {
    if (spec.endpoints !== undefined && spec.endpoints.length > 0) {
      problems.push({
        path: ['spec', 'endpoints'],
        message: 'endpoints need a resolution',
        expected: 'resolution STATIC or DNS',
        at: 'key',
      });
    }
  }
  return problems;
}

function checkKubernetesGateway(spec: KubernetesGatewaySpec, namespace: string): SchemaProblem[] {
  return [
    ...unique(spec.listeners, ['spec', 'listeners'], ['name']),
    ...checkKubernetesGatewayTls(spec, namespace),
  ];
}

function checkPeerAuthentication({ selector, portLevelMtls }: PeerAuthenticationSpec): SchemaProblem[] {
  if (portLevelMtls === undefined || Object.keys(selector?.matchLabels ?? {}).length > 0) return [];
  return [
    {
      path: ['spec', 'portLevelMtls'],
      message: 'portLevelMtls is for ports of some workloads, and the policy selects none',
      expected: 'selector.matchLabels beside portLevelMtls',
      at: 'key',
    },
  ];
}

function checkHttpRoute(spec: HttpRouteSpec): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  for (const [i, host] of (spec.hostnames ?? []).entries()) {
    if (isIP(host) !== 0) {
      problems.push({
        path: ['spec', 'hostnames', i],
        message: `${host} is an IP address`,
        expected: 'a host name',
      });
    }
  }
  for (const [i, rule] of (spec.rules ?? []).entries()) {
    const path = ['spec', 'rules', i];
    for (const [j, match] of (rule.matches ?? []).entries()) {
      const at = [...path, 'matches', j];
      const { type, value } = match.path ?? {};
      if (type === 'RegularExpression') mistakenRegex([...at, 'path', 'value'], value ?? '', problems);
      else if (value !== undefined && !value.startsWith('/')) {
        problems.push({
          path: [...at, 'path', 'value'],
          message: `the path ${JSON.stringify(value)} does not begin with /`,
          expected: 'a path that begins with /',
        });
      }
      for (const field of ['headers', 'queryParams'] as const) {
        for (const [k, entry] of (match[field] ?? []).entries()) {
          if (entry.type === 'RegularExpression')
            mistakenRegex([...at, field, k, 'value'], entry.value, problems);
        }
      }
    }
    const redirects = (rule.filters ?? []).some(({ requestRedirect }) => requestRedirect !== undefined);
    if (redirects && (rule.backendRefs?.length ?? 0) > 0) {
      problems.push({
        path: [...path, 'backendRefs'],
        message: 'a rule that redirects forwards nothing',
        expected: 'either a RequestRedirect filter or backendRefs',
        at: 'key',
      });
    }
    for (const [j, backend] of (rule.backendRefs ?? []).entries()) {
      if (backend.port === undefined && backend.kind !== 'Hostname') {
        problems.push({
          path: [...path, 'backendRefs', j],
          message: `backendRefs[${j}] lacks "port"`,
          expected: 'the port of the Service',
        });
      }
    }
  }
  return problems;
}

function mistakenRegex(path: readonly (string | number)[], value: string, problems: SchemaProblem[]): void {
  const mistake = regexMistake(value);
  if (mistake === undefined) return;
  problems.push({
    path,
    message: `${JSON.stringify(value.slice(0, 120))} is no regular expression of RE2: ${mistake}`,
    expected: 'a regular expression in RE2 syntax, at most 1024 characters',
  });
}

/** Entries of a list that carry the same name or number. */
function unique<T extends object>(
  entries: readonly T[],
  path: readonly string[],
  fields: readonly (keyof T & string)[],
): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  for (const field of fields) {
    const seen = new Set<unknown>();
    for (const [i, entry] of entries.entries()) {
      const value = entry[field];
      if (value === undefined) continue;
      if (seen.has(value)) {
        problems.push({
          path: [...path, i, field],
          message: `${path.at(-1) ?? ''} has ${field} ${String(value)} twice`,
          expected: `each ${field} once`,
        });
      }
      seen.add(value);
    }
  }
  return problems;
}
