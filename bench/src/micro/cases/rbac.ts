import {
  compileRbac,
  decide,
  type RbacCondition,
  type RbacConfig,
  type RbacFacts,
  type TlsInfo,
} from '@heddle/engine';
import type { MicroCase } from '../micro-case.js';
import { exampleHead } from './request-head.js';

const POLICIES = 20;
const CALLERS = 40;

/** What one request costs a sidecar for deciding whether it may enter: policies as heddled writes them for Istio's YAML. */
export const rbac: readonly MicroCase[] = (
  [
    ['allow', 'the last of which matches'],
    ['deny', 'none of which matches'],
  ] as const
).map(([action, matching]) => ({
  name: `RBAC: a request decided by ${POLICIES} rules that ${action}, ${matching}`,
  create() {
    const compiled = compileRbac(rulesOf(action));
    const facts = requests();
    return (count) => {
      let allowed = 0;
      for (let i = 0; i < count; i++) {
        if (decide(compiled, facts[i % facts.length] as RbacFacts).allowed) allowed++;
      }
      return allowed;
    };
  },
}));

/** Principals, methods and paths; the last rule that allows is for all callers. */
function rulesOf(action: 'allow' | 'deny'): RbacConfig {
  const policies = Array.from({ length: POLICIES }, (_, i) => {
    const isLast = i === POLICIES - 1 && action === 'allow';
    const accounts = isLast ? CALLERS : 5;
    const names = Array.from({ length: accounts }, (_unused, n) =>
      principalOf(isLast ? n : 1000 * i + 100 + n),
    );
    return {
      name: `ns[shop]-policy[rules]-rule[${i}]`,
      permissions: [
        and([
          or(['GET', 'HEAD'].map((method) => header(':method', method))),
          or([path(isLast ? '/api/' : `/other-${i}/`)]),
        ]),
      ],
      principals: [
        and([or(names.map((value): RbacCondition => ({ kind: 'authenticated', matcher: exact(value) })))]),
      ],
    };
  });
  return { action, policies };
}

function requests(): RbacFacts[] {
  return Array.from({ length: CALLERS }, (_, i): RbacFacts => {
    const request = exampleHead('cart.shop', `/api/resource-${i}/items/1k`);
    return {
      request,
      path: request.path,
      tls: { peer: { uriSans: [principalOf(i)], dnsSans: [], subject: '' } } as unknown as TlsInfo,
      serverName: 'outbound_.80_._.cart.shop.svc.cluster.local',
      remoteIp: '10.0.0.1',
      directRemoteIp: '10.0.0.1',
      destinationIp: '10.0.0.2',
      destinationPort: 8080,
      dynamicMetadata: undefined,
    };
  });
}

function principalOf(caller: number): string {
  return `spiffe://cluster.local/ns/shop/sa/caller-${caller}`;
}

function exact(value: string): {
  readonly kind: 'exact';
  readonly value: string;
  readonly ignoreCase: false;
} {
  return { kind: 'exact', value, ignoreCase: false };
}

function header(name: string, value: string): RbacCondition {
  const match = { kind: 'string' as const, matcher: exact(value) };
  return { kind: 'header', header: { name, match, invert: false, treatMissingAsEmpty: false } };
}

function path(prefix: string): RbacCondition {
  return { kind: 'path', matcher: { kind: 'prefix', value: prefix, ignoreCase: false } };
}

function and(conditions: readonly RbacCondition[]): RbacCondition {
  return { kind: 'and', conditions };
}

function or(conditions: readonly RbacCondition[]): RbacCondition {
  return { kind: 'or', conditions };
}
