import { selects } from './build-services.js';
import type { MeshModel } from './mesh-model.js';
import type { MeshKind, MeshResource } from './mesh-resource.js';
import { peerAuthenticationOf, type PeerAuthentication } from './peer-authentication.js';
import { policySubjects, type KnownSubject } from './policy-subjects.js';
import { compareAge, concerns, policyLevelOf, policyTargetOf, type PolicyTarget } from './policy-target.js';
import type { Texts } from './specs/shared-fields.js';
import type { DestinationRuleSpec } from './specs/destination-rule.js';
import { problemAt, type ProblemWording, type SourceProblem } from './source-problem.js';

/** The kinds that say by `selector` or `targetRefs` whom they are for. */
const policyKinds: ReadonlySet<MeshKind> = new Set<MeshKind>([
  'AuthorizationPolicy',
  'PeerAuthentication',
  'RateLimit',
  'RequestAuthentication',
]);

/**
 * Names security policies that are for nobody, and those that lose against others. All are warnings: whom they are for may
 * arrive a moment later.
 *
 * Cost: nothing where there are no policies; else each policy is held against the workloads that are known.
 */
export function checkPolicies(
  model: MeshModel,
  resources: readonly MeshResource[],
  problems: SourceProblem[],
): void {
  const policies = resources.filter(({ kind }) => policyKinds.has(kind));
  const selecting = resources.filter(
    ({ kind, spec }) =>
      kind === 'DestinationRule' && (spec as DestinationRuleSpec).workloadSelector !== undefined,
  );
  if (policies.length === 0 && selecting.length === 0) return;
  const check = new PolicyCheck(model, policySubjects(resources, model.gateways), problems);
  for (const resource of policies) check.target(resource);
  for (const resource of selecting) check.workloadSelector(resource);
  const peers = policies.filter(({ kind }) => kind === 'PeerAuthentication');
  check.conflicts(peers);
  for (const resource of peers) check.peerAuthentication(resource);
}

class PolicyCheck {
  readonly #model: MeshModel;
  readonly #subjects: readonly KnownSubject[];
  readonly #problems: SourceProblem[];

  constructor(model: MeshModel, subjects: readonly KnownSubject[], problems: SourceProblem[]) {
    this.#model = model;
    this.#subjects = subjects;
    this.#problems = problems;
  }

  /** Whether a policy is for anybody. */
  target(resource: MeshResource): void {
    const target = policyTargetOf(resource);
    const { rootNamespace } = this.#model.settings;
    for (const [i, name] of (target.gateways ?? []).entries()) {
      if (this.#model.gateways.has(`${target.namespace}/${name}`)) continue;
      this.#warn(resource, ['spec', 'targetRefs', i, 'name'], {
        message: `there is no Gateway ${target.namespace}/${name}, so this policy is not in force`,
        expected: 'a Gateway of the namespace of the policy',
      });
    }
    if (target.gateways !== undefined || this.#subjects.length === 0) return;
    if (this.#subjects.some((subject) => concerns(target, subject, rootNamespace))) return;
    if (target.selector === undefined) {
      if (target.namespace === rootNamespace) return;
      this.#warn(resource, ['metadata', 'namespace'], {
        message: `namespace ${target.namespace} has no workload, and this policy is for no other`,
        expected: `a namespace with workloads, or ${rootNamespace} for the whole mesh`,
      });
      return;
    }
    const where = target.namespace === rootNamespace ? 'the mesh' : `namespace ${target.namespace}`;
    const elsewhere = this.#subjects.find((subject) =>
      concerns({ ...target, namespace: rootNamespace }, subject, rootNamespace),
    );
    this.#warn(resource, ['spec', 'selector', 'matchLabels'], {
      message: `no workload of ${where} has ${shownLabels(target.selector)}, so this policy is not in force`,
      expected:
        elsewhere === undefined
          ? 'labels of a workload'
          : `labels of a workload of that namespace; ${elsewhere.shown} has these in another`,
    });
  }

  /** Of a DestinationRule: the callers of its own namespace that it is for. */
  workloadSelector(resource: MeshResource): void {
    const { matchLabels = {} } = (resource.spec as DestinationRuleSpec).workloadSelector ?? {};
    const { namespace } = resource;
    if (this.#subjects.length === 0) return;
    if (this.#subjects.some((one) => one.namespace === namespace && selects(matchLabels, one.labels))) return;
    this.#warn(resource, ['spec', 'workloadSelector', 'matchLabels'], {
      message: `no workload of namespace ${namespace} has ${shownLabels(matchLabels)}, so this rule is not in force`,
      expected: 'labels of a workload that calls',
    });
  }

  /** Of each level the oldest is in force; the others are named, and the workload for whose sake. */
  conflicts(resources: readonly MeshResource[]): void {
    const { rootNamespace } = this.#model.settings;
    const ordered = resources.map((resource) => ({ resource, target: policyTargetOf(resource) }));
    ordered.sort((a, b) => compareAge(a.target, b.target));
    for (const [i, { resource, target }] of ordered.entries()) {
      for (const { target: older } of ordered.slice(0, i)) {
        const meeting = this.#meetingPlace(older, target, rootNamespace);
        if (meeting === undefined) continue;
        this.#warn(resource, ['metadata', 'name'], {
          message: `PeerAuthentication ${older.namespace}/${older.name} is for ${meeting} too and goes before this one, which is not in force there`,
          expected:
            'one policy for each level (mesh, namespace, workload); the oldest by creationTimestamp is in force, then the first by name',
        });
        break;
      }
    }
  }

  /** Where two policies of one level are both for somebody. */
  #meetingPlace(a: PolicyTarget, b: PolicyTarget, rootNamespace: string): string | undefined {
    const level = policyLevelOf(a, rootNamespace);
    if (level !== policyLevelOf(b, rootNamespace)) return undefined;
    if (level === 'mesh') return 'the whole mesh';
    if (level === 'namespace') return a.namespace === b.namespace ? `namespace ${a.namespace}` : undefined;
    return this.#subjects.find(
      (subject) => concerns(a, subject, rootNamespace) && concerns(b, subject, rootNamespace),
    )?.shown;
  }

  /** Ports that no workload has, and what cannot be done at gateways. */
  peerAuthentication(resource: MeshResource): void {
    const policy: PeerAuthentication = peerAuthenticationOf(resource);
    const { rootNamespace } = this.#model.settings;
    const concerned = this.#subjects.filter((subject) => concerns(policy.target, subject, rootNamespace));
    const workloads = concerned.filter(({ isGateway }) => !isGateway);
    if (policy.target.selector !== undefined && concerned.length > 0 && workloads.length === 0) {
      this.#warn(resource, ['spec', 'selector'], {
        message: `this policy selects ${concerned[0]?.shown ?? ''} alone, whose servers say themselves how they speak TLS`,
        expected: 'tls at the servers of the Gateway',
      });
      return;
    }
    const known = new Set(workloads.flatMap(({ ports }) => ports));
    if (known.size === 0) return;
    for (const port of policy.ports.keys()) {
      if (known.has(port)) continue;
      this.#warn(resource, ['spec', 'portLevelMtls', String(port)], {
        message: `no workload that this policy selects has a port ${port}`,
        expected: `a port of the application, not of its Service: ${[...known].sort((a, b) => a - b).join(', ')}`,
        at: 'key',
      });
    }
  }

  #warn(resource: MeshResource, path: readonly (string | number)[], wording: ProblemWording): void {
    this.#problems.push(problemAt(resource, path, { ...wording, severity: 'warning' }));
  }
}

function shownLabels(labels: Texts): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
}
