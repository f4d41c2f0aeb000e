import { createHash } from 'node:crypto';
import { indexAuthorizationPolicies } from './authorization-policy.js';
import { policyOfDestinationRule } from './build-destination-policy.js';
import { gatewayOf, gatewayOfKubernetes } from './build-gateways.js';
import { bindingsOfHttpRoute } from './build-http-route.js';
import { tlsSecretOf } from './build-secrets.js';
import {
  InstanceIndex,
  instanceOfEntry,
  instanceOfWorkload,
  plannedInstanceOf,
  serviceOf,
  servicesOfEntry,
  workloadOf,
  type Instances,
} from './build-services.js';
import { bindingOfVirtualService } from './build-virtual-service.js';
import { applyCanaries, effectiveCanaries } from './apply-canaries.js';
import { canaryOf, noCanaryWeights, type CanaryConfig, type CanaryWeights } from './canary.js';
import { checkPolicies } from './check-policies.js';
import { checkAuthorization } from './check-authorization.js';
import { checkReferences } from './check-references.js';
import { checkTls } from './check-tls.js';
import type { DestinationPolicy, GatewayConfig, MeshModel, RouteBinding, Service } from './mesh-model.js';
import type { MeshKind, MeshResource } from './mesh-resource.js';
import { noKeySets, type KeySets } from './key-sets.js';
import { defaultMeshSettings, type MeshSettings } from './mesh-settings.js';
import { indexPeerAuthentications } from './peer-authentication.js';
import { indexRateLimits } from './rate-limit.js';
import { indexRequestAuthentications, keySetProblems } from './request-authentication.js';
import { indexTelemetries } from './telemetry.js';
import { problemAt, type SourceProblem } from './source-problem.js';
import { virtualAddresses } from './virtual-addresses.js';

/**
 * Joins resources into a model. Pure; the order of `resources` does not matter.
 *
 * Errors: none; what refers to something unknown is a warning, and a resource that loses against another is named.
 */
export function buildModel(
  resources: ReadonlyMap<string, MeshResource>,
  settings: MeshSettings = defaultMeshSettings,
  keySets: KeySets = noKeySets,
  canaryWeights: CanaryWeights = noCanaryWeights,
): {
  readonly model: MeshModel;
  readonly problems: readonly SourceProblem[];
} {
  const problems: SourceProblem[] = [];
  const ordered = [...resources.values()].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const ofKind = (kind: MeshKind): readonly MeshResource[] =>
    ordered.filter((resource) => resource.kind === kind);
  const workloadResources = ofKind('Workload');
  const instances: Instances = {
    running: new InstanceIndex([
      ...ofKind('WorkloadEntry').map(instanceOfEntry),
      ...workloadResources.map(instanceOfWorkload).filter((instance) => instance !== undefined),
    ]),
    planned: new InstanceIndex(workloadResources.map(plannedInstanceOf)),
  };
  const services = buildServices(ofKind('Service'), ofKind('ServiceEntry'), instances, problems);
  const canaries = buildCanaries(ofKind('Canary'), problems);
  const bindings: RouteBinding[] = ofKind('VirtualService').map(bindingOfVirtualService);
  const known = {
    ...servicesOf(services),
    destinationPolicies: ofKind('DestinationRule').map(policyOf),
  };
  const effective = effectiveCanaries(known, canaries, canaryWeights);
  const model: MeshModel = {
    settings,
    ...known,
    virtualAddresses: virtualAddresses(services),
    virtualHosts: bindings,
    canaries,
    gateways: buildGateways(ofKind('Gateway'), ofKind('KubernetesGateway'), problems),
    secrets: new Map(
      ofKind('Secret').map((resource) => [`${resource.namespace}/${resource.name}`, tlsSecretOf(resource)]),
    ),
    peerAuthentications: indexPeerAuthentications(ofKind('PeerAuthentication'), settings),
    requestAuthentications: indexRequestAuthentications(ofKind('RequestAuthentication'), settings),
    authorizationPolicies: indexAuthorizationPolicies(ofKind('AuthorizationPolicy'), settings),
    keySets,
    rateLimits: indexRateLimits(ofKind('RateLimit'), settings),
    telemetries: indexTelemetries(ofKind('Telemetry'), settings),
    workloads: new Map(
      workloadResources.map((resource) => [`${resource.namespace}/${resource.name}`, workloadOf(resource)]),
    ),
    configHash: configHashOf(
      ordered,
      services,
      keySets,
      effective.map(({ canary, weight }) => `${canary.key} ${weight}`),
    ),
  };
  for (const route of ofKind('HTTPRoute')) bindings.push(...bindingsOfHttpRoute(route, model, problems));
  checkReferences(model, ordered, problems);
  checkPolicies(model, ordered, problems);
  checkTls(model, ordered, problems);
  problems.push(...checkAuthorization(model, ofKind('AuthorizationPolicy')));
  problems.push(...keySetProblems(ofKind('RequestAuthentication'), keySets));
  if (effective.length === 0) return { model, problems };
  return { model: { ...model, virtualHosts: applyCanaries(bindings, effective) }, problems };
}

/** Of two canaries of one host the first has it. */
function buildCanaries(
  resources: readonly MeshResource[],
  problems: SourceProblem[],
): readonly CanaryConfig[] {
  const byHost = new Map<string, CanaryConfig>();
  for (const resource of resources) {
    const canary = canaryOf(resource);
    const first = byHost.get(canary.host);
    if (first === undefined) byHost.set(canary.host, canary);
    else {
      problems.push(
        problemAt(resource, ['spec', 'host'], {
          message: `the Canary ${first.key} leads ${canary.host} already, and this one has no effect`,
          expected: 'one Canary for each host',
        }),
      );
    }
  }
  return [...byHost.values()];
}

const builtPolicies = new WeakMap<MeshResource, DestinationPolicy>();

/** The same object for the same resource, so that what was translated with it stays. */
function policyOf(resource: MeshResource): DestinationPolicy {
  let policy = builtPolicies.get(resource);
  if (policy === undefined) builtPolicies.set(resource, (policy = policyOfDestinationRule(resource)));
  return policy;
}

function buildServices(
  plain: readonly MeshResource[],
  entries: readonly MeshResource[],
  instances: Instances,
  problems: SourceProblem[],
): Map<string, Service> {
  const services = new Map<string, Service>();
  for (const resource of plain) {
    const service = serviceOf(resource, instances);
    services.set(service.key, service);
  }
  for (const resource of entries) {
    for (const [i, service] of servicesOfEntry(resource, instances, problems).entries()) {
      const winner = services.get(service.key);
      if (winner === undefined) {
        services.set(service.key, service);
        continue;
      }
      problems.push(
        problemAt(resource, ['spec', 'hosts', i], {
          message: `the host ${service.hostname} is taken already by ${winner.kind} ${winner.namespace}/${winner.name}, which stays in force`,
          expected: 'one resource for each host of a namespace',
          severity: 'warning',
        }),
      );
    }
  }
  return new Map([...services].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

function buildGateways(
  istio: readonly MeshResource[],
  kubernetes: readonly MeshResource[],
  problems: SourceProblem[],
): Map<string, GatewayConfig> {
  const gateways = new Map(istio.map(gatewayOf).map((gateway) => [gateway.key, gateway]));
  for (const resource of kubernetes) {
    const gateway = gatewayOfKubernetes(resource);
    if (!gateways.has(gateway.key)) gateways.set(gateway.key, gateway);
    else {
      problems.push(
        problemAt(resource, ['metadata', 'name'], {
          message: `a Gateway of networking.istio.io has the same name ${gateway.key} and stays in force`,
          expected: 'another name',
          severity: 'warning',
        }),
      );
    }
  }
  return gateways;
}

function servicesOf(
  services: ReadonlyMap<string, Service>,
): Pick<MeshModel, 'services' | 'servicesByHost' | 'selectingServices'> {
  const servicesByHost = new Map<string, Service[]>();
  const selectingServices = new Map<string, Service[]>();
  for (const service of services.values()) {
    append(servicesByHost, service.hostname, service);
    if (service.selector !== undefined) append(selectingServices, service.namespace, service);
  }
  return { services, servicesByHost, selectingServices };
}

/** What runs where is not configuration, except what stands in clusters: addresses to be resolved, and who is expected there. */
function configHashOf(
  ordered: readonly MeshResource[],
  services: ReadonlyMap<string, Service>,
  keySets: KeySets,
  canaryWeights: readonly string[],
): string {
  const hash = createHash('sha256').update(`${keySets.revision}\n${canaryWeights.join(' ')}\n`);
  for (const { kind, key, contentHash } of ordered) {
    if (kind !== 'WorkloadEntry' && kind !== 'Workload') hash.update(`${key} ${contentHash}\n`);
  }
  for (const { key, resolution, endpointsHash, serviceAccounts } of services.values()) {
    hash.update(`${key} ${resolution === 'static' ? '' : endpointsHash} ${serviceAccounts.join(',')}\n`);
  }
  return hash.digest('base64url').slice(0, 22);
}

function append<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
