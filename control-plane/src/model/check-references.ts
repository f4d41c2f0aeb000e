import { closestName } from '@heddle/common';
import { backendOf } from './build-http-route.js';
import { gatewayKey } from './build-virtual-service.js';
import { hostMatches, resolveHost, serviceHostname } from './hostname.js';
import type { MeshModel, Service } from './mesh-model.js';
import type { FieldPath, MeshResource } from './mesh-resource.js';
import type { DestinationSpec } from './specs/shared-fields.js';
import type { DestinationRuleSpec } from './specs/destination-rule.js';
import type { CanarySpec } from './specs/heddle.js';
import type { HttpRouteSpec } from './specs/http-route.js';
import type { HttpRuleSpec, VirtualServiceSpec } from './specs/virtual-service.js';
import { problemAt, type ProblemWording, type SourceProblem } from './source-problem.js';

/**
 * Names what refers to something that is not there, and rules that can never take effect. All are warnings: what is missing may
 * arrive a moment later, and a rule for it must not be refused until then.
 */
export function checkReferences(
  model: MeshModel,
  resources: readonly MeshResource[],
  problems: SourceProblem[],
): void {
  const check = new ReferenceCheck(model, problems);
  for (const resource of resources) {
    if (resource.kind === 'VirtualService') check.virtualService(resource);
    else if (resource.kind === 'DestinationRule') check.destinationRule(resource);
    else if (resource.kind === 'HTTPRoute') check.httpRoute(resource);
    else if (resource.kind === 'Canary') check.canary(resource);
  }
  check.sharedHosts(resources);
}

class ReferenceCheck {
  readonly #model: MeshModel;
  readonly #problems: SourceProblem[];
  readonly #hosts: readonly string[];
  readonly #subsets = new Map<string, Set<string>>();

  constructor(model: MeshModel, problems: SourceProblem[]) {
    this.#model = model;
    this.#problems = problems;
    this.#hosts = [...model.servicesByHost.keys()];
    for (const { host, subsets } of model.destinationPolicies) {
      const names = this.#subsets.get(host) ?? new Set();
      for (const { name } of subsets) names.add(name);
      this.#subsets.set(host, names);
    }
  }

  virtualService(resource: MeshResource): void {
    const spec = resource.spec as VirtualServiceSpec;
    this.#gateways(resource, spec.gateways, ['spec', 'gateways']);
    for (const [i, rule] of (spec.http ?? []).entries()) {
      const path = ['spec', 'http', i];
      this.#rule(resource, rule, path);
      for (const [j, match] of (rule.match ?? []).entries()) {
        this.#gateways(resource, match.gateways, [...path, 'match', j, 'gateways']);
      }
      if (i > 0 && spec.http?.slice(0, i).some(takesEverything)) {
        this.#warn(resource, path, {
          message: `http[${i}] is never reached: a rule before it takes every request`,
          expected: 'rules that match everything at the end',
        });
      } else {
        const twin = spec.http?.slice(0, i).findIndex((earlier) => hasSameMatch(earlier, rule)) ?? -1;
        if (twin >= 0) {
          this.#warn(resource, path, {
            message: `http[${i}] is never reached: http[${twin}] matches the same requests`,
          });
        }
      }
    }
    for (const [i, rule] of (spec.tcp ?? []).entries()) {
      for (const [j, route] of rule.route.entries()) {
        this.#destination(resource, route.destination, ['spec', 'tcp', i, 'route', j, 'destination']);
      }
    }
  }

  destinationRule(resource: MeshResource): void {
    const spec = resource.spec as DestinationRuleSpec;
    const host = resolveHost(spec.host, resource.namespace);
    const services = this.#model.servicesByHost.get(host);
    if (services === undefined) {
      if (!host.startsWith('*')) this.#unknownHost(resource, ['spec', 'host'], spec.host, host);
      return;
    }
    for (const [i, subset] of (spec.subsets ?? []).entries()) {
      const wanted = Object.entries(subset.labels ?? {});
      const isEmpty = services.every((service) =>
        service.endpoints.every((endpoint) =>
          wanted.some(([name, value]) => endpoint.labels[name] !== value),
        ),
      );
      const anyEndpoint = services.some((service) => service.endpoints.length > 0);
      if (isEmpty && anyEndpoint) {
        const labels = wanted.map(([name, value]) => `${name}=${value}`).join(', ');
        this.#warn(resource, ['spec', 'subsets', i, 'name'], {
          message: `subset ${subset.name} is empty: no workload of ${host} has ${labels || 'its labels'}`,
        });
      }
    }
    for (const [i, level] of (spec.trafficPolicy?.portLevelSettings ?? []).entries()) {
      this.#port(
        resource,
        ['spec', 'trafficPolicy', 'portLevelSettings', i, 'port', 'number'],
        services,
        level.port.number,
      );
    }
  }

  canary(resource: MeshResource): void {
    const { host, stable, canary } = resource.spec as CanarySpec;
    for (const [name, version] of Object.entries({ stable, canary })) {
      const path = ['spec', ...(version.host === undefined ? [] : [name])];
      const { subset } = version;
      this.#destination(
        resource,
        { host: version.host ?? host, ...(subset === undefined ? {} : { subset }) },
        path,
        ['spec', name],
      );
    }
  }

  httpRoute(resource: MeshResource): void {
    const spec = resource.spec as HttpRouteSpec;
    for (const [i, rule] of (spec.rules ?? []).entries()) {
      for (const [j, backend] of (rule.backendRefs ?? []).entries()) {
        const { host } = backendOf(backend, resource.namespace);
        const path = ['spec', 'rules', i, 'backendRefs', j];
        const services = this.#model.servicesByHost.get(host);
        if (services === undefined) this.#unknownHost(resource, [...path, 'name'], backend.name, host);
        else if (backend.port !== undefined) this.#port(resource, [...path, 'port'], services, backend.port);
      }
    }
  }

  /** Resources that claim the same host at the same place: which one speaks is said. */
  sharedHosts(resources: readonly MeshResource[]): void {
    const claims = new Map<string, MeshResource>();
    for (const resource of resources) {
      if (resource.kind !== 'VirtualService') continue;
      const spec = resource.spec as VirtualServiceSpec;
      const gateways = (spec.gateways ?? ['mesh']).map((name) => gatewayKey(name, resource.namespace));
      for (const [i, written] of spec.hosts.entries()) {
        const host = resolveHost(written, resource.namespace);
        for (const gateway of gateways) {
          const place = `${gateway} ${host}`;
          const winner = claims.get(place);
          if (winner === undefined) {
            claims.set(place, resource);
            continue;
          }
          const rules = (winner.spec as VirtualServiceSpec).http ?? [];
          const name = `${winner.namespace}/${winner.name}`;
          if (gateway === 'mesh') {
            this.#warn(resource, ['spec', 'hosts', i], {
              message: `VirtualService ${name} speaks for ${host} inside the mesh; this one is not in force there`,
              expected: 'one VirtualService for each host inside the mesh',
            });
          } else if (rules.some(takesEverything)) {
            this.#warn(resource, ['spec', 'hosts', i], {
              message: `VirtualService ${name} takes every request to ${host} at gateway ${gateway}; the rules of this one come after it and are never reached`,
              expected: `rules in ${name} that leave something over, or another host`,
            });
          }
        }
      }
    }
  }

  #rule(resource: MeshResource, rule: HttpRuleSpec, path: FieldPath): void {
    for (const [j, route] of (rule.route ?? []).entries()) {
      this.#destination(resource, route.destination, [...path, 'route', j, 'destination']);
    }
    if (rule.mirror !== undefined) this.#destination(resource, rule.mirror, [...path, 'mirror']);
    for (const [j, mirror] of (rule.mirrors ?? []).entries()) {
      this.#destination(resource, mirror.destination, [...path, 'mirrors', j, 'destination']);
    }
  }

  #destination(
    resource: MeshResource,
    destination: DestinationSpec,
    path: FieldPath,
    subsetPath: FieldPath = path,
  ): void {
    const host = resolveHost(destination.host, resource.namespace);
    const services = this.#model.servicesByHost.get(host);
    if (services === undefined) return this.#unknownHost(resource, [...path, 'host'], destination.host, host);
    const port = destination.port?.number;
    if (port !== undefined) this.#port(resource, [...path, 'port', 'number'], services, port);
    const { subset } = destination;
    if (subset === undefined) return;
    const known = this.#subsetsOf(host);
    if (known.includes(subset)) return;
    this.#warn(resource, [...subsetPath, 'subset'], {
      message: `no DestinationRule has a subset ${subset} of ${host}: requests to it are answered 503`,
      expected: known.length === 0 ? 'a DestinationRule with that subset' : `one of ${known.join(', ')}`,
      suggestion: closestName(subset, known),
    });
  }

  #subsetsOf(host: string): readonly string[] {
    const named = [...(this.#subsets.get(host) ?? [])];
    if (named.length > 0) return named;
    return [...this.#subsets]
      .filter(([pattern]) => hostMatches(pattern, host))
      .flatMap(([, names]) => [...names]);
  }

  #unknownHost(resource: MeshResource, path: FieldPath, written: string, host: string): void {
    const short = written.includes('.')
      ? this.#hosts
      : this.#hosts.map((known) => shortName(known, resource.namespace));
    this.#warn(resource, path, {
      message: `there is no service ${host}`,
      expected: 'the host of a Service or ServiceEntry',
      suggestion: closestName(written, short),
    });
  }

  #port(resource: MeshResource, path: FieldPath, services: readonly Service[], port: number): void {
    const known = [...new Set(services.flatMap(({ ports }) => ports.map(({ number }) => number)))];
    if (known.includes(port)) return;
    this.#warn(resource, path, {
      message: `${services[0]?.hostname ?? 'the service'} has no port ${port}`,
      expected: known.length === 0 ? 'a service with ports' : known.join(' or '),
    });
  }

  #gateways(resource: MeshResource, names: readonly string[] | undefined, path: FieldPath): void {
    for (const [i, name] of (names ?? []).entries()) {
      const key = gatewayKey(name, resource.namespace);
      if (key === 'mesh' || this.#model.gateways.has(key)) continue;
      this.#warn(resource, [...path, i], {
        message: `there is no Gateway ${key}`,
        expected: 'mesh, or the name of a Gateway',
        suggestion: closestName(name, [
          ...[...this.#model.gateways.values()]
            .filter((g) => g.namespace === resource.namespace)
            .map((g) => g.name),
          ...this.#model.gateways.keys(),
        ]),
      });
    }
  }

  #warn(resource: MeshResource, path: FieldPath, wording: ProblemWording): void {
    this.#problems.push(problemAt(resource, path, { ...wording, severity: 'warning' }));
  }
}

function shortName(host: string, namespace: string): string {
  const [name = host] = host.split('.');
  return host === serviceHostname(name, namespace) ? name : host;
}

/** Whether no request gets past a rule. */
function takesEverything(rule: HttpRuleSpec): boolean {
  if (rule.match === undefined || rule.match.length === 0) return true;
  return rule.match.some((match) => {
    const fields = Object.keys(match).filter(
      (field) => !['name', 'uri', 'ignoreUriCase', 'statPrefix'].includes(field),
    );
    return (
      fields.length === 0 && (match.uri === undefined || match.uri.prefix === '/' || match.uri.regex === '.*')
    );
  });
}

function hasSameMatch(a: HttpRuleSpec, b: HttpRuleSpec): boolean {
  return JSON.stringify(a.match ?? []) === JSON.stringify(b.match ?? []);
}
