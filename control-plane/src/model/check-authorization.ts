import { isHttp } from './app-protocol.js';
import {
  authorizationPolicyOf,
  isOfRequests,
  type AuthorizationCondition,
  type AuthorizationPolicy,
} from './authorization-policy.js';
import { clusterDomain } from './hostname.js';
import type { MeshModel, Service, ServicePort } from './mesh-model.js';
import type { FieldPath, MeshResource } from './mesh-resource.js';
import { concerns } from './policy-target.js';
import type { AuthorizationPolicySpec } from './specs/security.js';
import { problemAt, type ProblemWording, type SourceProblem } from './source-problem.js';

/** What AuthorizationPolicies do that their writer hardly means. All are warnings: they are in force as they are written. */
export function checkAuthorization(model: MeshModel, resources: readonly MeshResource[]): SourceProblem[] {
  const problems: SourceProblem[] = [];
  for (const resource of resources) {
    const policy = authorizationPolicyOf(resource);
    if (policy.standsIn) continue;
    const warn = (path: FieldPath, wording: ProblemWording): void => {
      problems.push(problemAt(resource, path, { ...wording, severity: 'warning' }));
    };
    checkPorts(policy, model, warn);
    checkTrustDomains(resource.spec as AuthorizationPolicySpec, model.settings.trustDomain, warn);
  }
  return problems;
}

type Warn = (path: FieldPath, wording: ProblemWording) => void;

/** What only requests have, at a port of TCP. Named once for each policy. */
function checkPorts(policy: AuthorizationPolicy, model: MeshModel, warn: Warn): void {
  const index = policy.rules.findIndex(({ sources, operations }) =>
    [...sources, ...operations].flat().some(({ attribute }) => isOfRequests(attribute)),
  );
  const rule = policy.rules[index];
  if (rule === undefined) return;
  const conditions = [...rule.sources, ...rule.operations].flat();
  const found = tcpPortOf(policy, conditions, model);
  if (found === undefined) return;
  const asked = [...new Set(conditions.map(({ attribute }) => attribute).filter(isOfRequests))].join(', ');
  const where = `at port ${found.port.number} (${found.port.protocol}) of ${found.service.hostname}`;
  const message =
    policy.action === 'allow'
      ? `rules[${index}] lets nobody in ${where}: connections have no ${asked}`
      : `rules[${index}] ${policy.action === 'deny' ? 'denies' : 'logs'} more ${where}: connections have no ${asked}, so that is not asked`;
  warn(['spec', 'rules', index], {
    message,
    expected: 'ports beside it, so that the rule is for ports with requests alone',
  });
}

/** A port without requests of a workload that the policy concerns, unless the rule itself is for other ports. */
function tcpPortOf(
  { target }: AuthorizationPolicy,
  conditions: readonly AuthorizationCondition[],
  { services, settings }: MeshModel,
): { readonly service: Service; readonly port: ServicePort } | undefined {
  const ports = conditions.filter(({ attribute }) => attribute === 'port');
  for (const service of services.values()) {
    const port = service.ports.find(({ protocol }) => !isHttp(protocol) && protocol !== 'udp');
    if (port === undefined) continue;
    const own = String(port.targetPort);
    const isMeant = ports.every(
      ({ values, notValues }) => !notValues.includes(own) && (values.length === 0 || values.includes(own)),
    );
    if (!isMeant) continue;
    if (service.endpoints.some((endpoint) => concerns(target, endpoint, settings.rootNamespace))) {
      return { service, port };
    }
  }
  return undefined;
}

function checkTrustDomains({ rules = [] }: AuthorizationPolicySpec, trustDomain: string, warn: Warn): void {
  const check = (values: readonly string[] | undefined, path: FieldPath): void => {
    for (const [i, value] of (values ?? []).entries()) {
      const parts = value.split('/');
      const [own = ''] = parts;
      if (parts.length !== 5 || own.includes('*') || own === trustDomain || own === clusterDomain) continue;
      warn([...path, i], {
        message: `the trust domain ${own} is not that of the mesh, ${trustDomain}`,
        expected: `${[trustDomain, ...parts.slice(1)].join('/')}, unless callers of another mesh are meant`,
      });
    }
  };
  for (const [i, { from = [], when = [] }] of rules.entries()) {
    for (const [j, { source }] of from.entries()) {
      check(source.principals, ['spec', 'rules', i, 'from', j, 'source', 'principals']);
      check(source.notPrincipals, ['spec', 'rules', i, 'from', j, 'source', 'notPrincipals']);
    }
    for (const [j, { key, values, notValues }] of when.entries()) {
      if (key !== 'source.principal') continue;
      check(values, ['spec', 'rules', i, 'when', j, 'values']);
      check(notValues, ['spec', 'rules', i, 'when', j, 'notValues']);
    }
  }
}
