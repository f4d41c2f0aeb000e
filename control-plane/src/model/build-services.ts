import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { HBONE_PORT } from '@heddle/injector';
import { namedProtocol, portProtocol } from './app-protocol.js';
import { resolveHost, serviceHostname } from './hostname.js';
import type { Endpoint, ExportTo, Locality, Service, ServicePort, Workload } from './mesh-model.js';
import type { MeshResource } from './mesh-resource.js';
import type { Texts } from './specs/shared-fields.js';
import type { ServiceEntrySpec, ServiceSpec, WorkloadEntrySpec, WorkloadSpec } from './specs/services.js';
import { problemAt, type SourceProblem } from './source-problem.js';

/** Something that runs at an address and may stand behind services. */
export interface Instance {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  /** By port name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Texts;
  readonly locality: Locality;
  readonly weight: number;
  readonly serviceAccount: string;
  /** Whether the proxy beside it has an identity of the mesh. */
  readonly mtls: boolean;
  /** Where it takes tunnels (HBONE); 0: it takes none. */
  readonly tunnelPort: number;
  /** By port name: the application's own numbers, where the proxy is reached by others. */
  readonly applicationPorts: Readonly<Record<string, number>>;
}

/** `.` is the resource's own namespace, absent is all. */
export function exportToOf(exportTo: readonly string[] | undefined, namespace: string): ExportTo {
  if (exportTo === undefined || exportTo.length === 0) return ['*'];
  return exportTo.filter((name) => name !== '~').map((name) => (name === '.' ? namespace : name));
}

/** Whether all labels of a selector are there. */
export function selects(selector: Texts, labels: Texts): boolean {
  for (const name in selector) {
    if (!Object.hasOwn(labels, name) || labels[name] !== selector[name]) return false;
  }
  return true;
}

/** Instances by namespace and by each label, so that a selector looks only at those that share its rarest label. */
export class InstanceIndex {
  readonly #byLabel = new Map<string, Instance[]>();
  readonly #byNamespace = new Map<string, Instance[]>();

  constructor(instances: readonly Instance[]) {
    for (const instance of instances) {
      push(this.#byNamespace, instance.namespace, instance);
      for (const [name, value] of Object.entries(instance.labels)) {
        push(this.#byLabel, labelKey(instance.namespace, name, value), instance);
      }
    }
  }

  selected(namespace: string, selector: Texts): readonly Instance[] {
    let fewest = this.#byNamespace.get(namespace) ?? [];
    for (const [name, value] of Object.entries(selector)) {
      const candidates = this.#byLabel.get(labelKey(namespace, name, value)) ?? [];
      if (candidates.length < fewest.length) fewest = candidates;
    }
    return fewest.filter((instance) => selects(selector, instance.labels));
  }
}

function labelKey(namespace: string, name: string, value: string): string {
  return `${namespace}\n${name}\n${value}`;
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

const entryInstances = new WeakMap<MeshResource, Instance>();

/** A `WorkloadEntry`: something that runs. The same object for the same resource. */
export function instanceOfEntry(resource: MeshResource): Instance {
  let instance = entryInstances.get(resource);
  if (instance === undefined) {
    const spec = resource.spec as WorkloadEntrySpec;
    const made = instanceOf(spec, spec.address, resource.namespace, resource.name, resource.labels);
    instance = {
      ...made,
      tunnelPort: tunnelPortOf(made.labels, resource.annotations),
      applicationPorts: applicationPortsOf(resource.annotations[applicationPortsAnnotation]),
    };
    entryInstances.set(resource, instance);
  }
  return instance;
}

/** `http=9080,admin=9090`: what an application's ports are called by policies, where a launcher moved them. */
const applicationPortsAnnotation = 'heddle.dev/application-ports';

function applicationPortsOf(text: string | undefined): Readonly<Record<string, number>> {
  const ports = (text ?? '').split(',').flatMap((part): [string, number][] => {
    const [, name = '', port = ''] = /^([a-z0-9-]{1,63})=(\d{1,5})$/.exec(part) ?? [];
    return name === '' ? [] : [[name, Number(port)]];
  });
  return Object.fromEntries(ports);
}

const plannedInstances = new WeakMap<MeshResource, Instance>();

/** A `Workload` as it will run: nobody to send requests to, but known by its labels and service account. */
export function plannedInstanceOf(resource: MeshResource): Instance {
  let instance = plannedInstances.get(resource);
  if (instance === undefined) {
    const { serviceAccount, labels = {} } = resource.spec as WorkloadSpec;
    const spec = { labels, ...(serviceAccount === undefined ? {} : { serviceAccount }) };
    instance = instanceOf(spec, '', resource.namespace, resource.name, resource.labels);
    plannedInstances.set(resource, instance);
  }
  return instance;
}

/** A `Workload` that names an address runs already. */
export function instanceOfWorkload(resource: MeshResource): Instance | undefined {
  const spec = resource.spec as WorkloadSpec;
  if (spec.address === undefined) return undefined;
  const ports = Object.fromEntries((spec.ports ?? []).map(({ name, port }) => [name, port]));
  return instanceOf({ ...spec, ports }, spec.address, resource.namespace, resource.name, {});
}

function instanceOf(
  spec: Partial<WorkloadEntrySpec>,
  address: string,
  namespace: string,
  name: string,
  ownLabels: Texts,
): Instance {
  const labels = { ...ownLabels, ...spec.labels };
  return {
    name: labels[workloadNameLabel] ?? name,
    namespace,
    address,
    ports: spec.ports ?? {},
    labels,
    mtls: labels[tlsModeLabel] === 'istio',
    tunnelPort: tunnelPortOf(labels, {}),
    applicationPorts: {},
    locality: localityOf(spec.locality),
    weight: spec.weight ?? 1,
    serviceAccount: spec.serviceAccount ?? 'default',
  };
}

/** Source: Istio's label of instances that metrics call by another name than their own. */
export const workloadNameLabel = 'service.istio.io/workload-name';

/** Source: Istio's label of workloads that take mutual TLS. Heddle never assumes it of one that does not say so. */
export const tlsModeLabel = 'security.istio.io/tlsMode';

/** Source: Istio's label of workloads that take tunnels, with their kind: `http` is HBONE. */
export const tunnelLabel = 'networking.istio.io/tunnel';

/** Source: Istio's annotation of pods before which a ztunnel stands. */
const redirectionAnnotation = 'ambient.istio.io/redirection';

/** Where tunnels are taken if not at Istio's port. */
export const tunnelPortAnnotation = 'heddle.dev/tunnel-port';

function tunnelPortOf(labels: Texts, annotations: Texts): number {
  const takes = labels[tunnelLabel] === 'http' || annotations[redirectionAnnotation] === 'enabled';
  if (!takes) return 0;
  const said = Number(annotations[tunnelPortAnnotation] ?? HBONE_PORT);
  return Number.isInteger(said) && said > 0 && said <= 65_535 ? said : HBONE_PORT;
}

function localityOf(text: string | undefined): Locality {
  const [region = '', zone = '', subZone = ''] = (text ?? '').split('/');
  return { region, zone, subZone };
}

/** What a `Workload` asks to be run. */
export function workloadOf(resource: MeshResource): Workload {
  const spec = resource.spec as WorkloadSpec;
  return {
    name: resource.name,
    namespace: resource.namespace,
    labels: { ...resource.labels, ...spec.labels },
    serviceAccount: spec.serviceAccount ?? 'default',
    service: spec.service,
    command: spec.command ?? [],
    workingDirectory: spec.workingDirectory,
    env: Object.fromEntries(Object.entries(spec.env ?? {}).map(([name, value]) => [name, String(value)])),
    ports: (spec.ports ?? []).map(({ name, port, protocol }) => ({
      name,
      port,
      protocol: namedProtocol(protocol, name),
    })),
    replicas: spec.replicas ?? 1,
    locality: spec.locality,
    address: spec.address,
    file: resource.origin.file,
  };
}

const builtServices = new WeakMap<
  MeshResource,
  { readonly found: readonly Instance[]; readonly planned: readonly Instance[]; readonly service: Service }
>();

/** What runs, and what is to run. */
export interface Instances {
  readonly running: InstanceIndex;
  readonly planned: InstanceIndex;
}

/** A `v1 Service`. The same object while the resource and the instances that it selects are the same. */
export function serviceOf(resource: MeshResource, instances: Instances): Service {
  const spec = resource.spec as ServiceSpec;
  const { namespace, name } = resource;
  const ports = (spec.ports ?? []).map((port): ServicePort => ({
    number: port.port,
    name: port.name ?? '',
    protocol: portProtocol(port),
    targetPort: port.targetPort ?? port.port,
  }));
  const selector =
    spec.selector !== undefined && Object.keys(spec.selector).length > 0 ? spec.selector : undefined;
  const outside = spec.type === 'ExternalName' && spec.externalName !== undefined;
  const found = outside
    ? [instanceOf({}, spec.externalName, namespace, name, {})]
    : selector === undefined
      ? []
      : instances.running.selected(namespace, selector);
  const planned = outside || selector === undefined ? [] : instances.planned.selected(namespace, selector);
  const built = builtServices.get(resource);
  if (built !== undefined && isSameList(built.planned, planned)) {
    if (outside || isSameList(built.found, found)) return built.service;
  }
  const service = finish(planned, {
    key: `${namespace}/${serviceHostname(name, namespace)}`,
    hostname: serviceHostname(name, namespace),
    namespace,
    name,
    kind: 'Service',
    ports,
    addresses: spec.clusterIP !== undefined && isIP(spec.clusterIP) !== 0 ? [spec.clusterIP] : [],
    resolution: outside ? 'dns' : 'static',
    external: outside,
    exportTo: ['*'],
    selector: outside ? undefined : selector,
    subjectAltNames: [],
    endpoints: endpointsOf(found, ports),
  });
  builtServices.set(resource, { found, planned, service });
  return service;
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

const resolutions: Readonly<Record<string, Service['resolution']>> = {
  STATIC: 'static',
  DNS: 'dns',
  DNS_ROUND_ROBIN: 'dns-round-robin',
  NONE: 'none',
};

/** A `ServiceEntry`: one service for each of its hosts. */
export function servicesOfEntry(
  resource: MeshResource,
  instances: Instances,
  problems: SourceProblem[],
): readonly Service[] {
  const spec = resource.spec as ServiceEntrySpec;
  const { namespace } = resource;
  const ports = spec.ports.map((port): ServicePort => ({
    number: port.number,
    name: port.name,
    protocol: namedProtocol(port.protocol, port.name),
    targetPort: port.targetPort ?? port.number,
  }));
  const resolution = resolutions[spec.resolution ?? 'NONE'] ?? 'none';
  return spec.hosts.map((written, i): Service => {
    const hostname = resolveHost(written, namespace);
    let found: readonly Instance[];
    let planned: readonly Instance[] = [];
    if (spec.workloadSelector !== undefined) {
      found = instances.running.selected(namespace, spec.workloadSelector.labels);
      planned = instances.planned.selected(namespace, spec.workloadSelector.labels);
    } else if (spec.endpoints !== undefined && spec.endpoints.length > 0) {
      found = spec.endpoints.map((entry) =>
        instanceOf(entry, entry.address ?? hostname, namespace, resource.name, {}),
      );
    } else if (resolution === 'dns' || resolution === 'dns-round-robin') {
      found = [instanceOf({}, hostname, namespace, resource.name, {})];
    } else found = [];
    if (resolution.startsWith('dns') && hostname.startsWith('*') && spec.endpoints === undefined) {
      problems.push(
        problemAt(resource, ['spec', 'hosts', i], {
          message: `the wildcard ${written} cannot be resolved by DNS`,
          expected: 'a host without *, or endpoints',
          severity: 'warning',
        }),
      );
      found = [];
    }
    return finish(planned, {
      key: `${namespace}/${hostname}`,
      hostname,
      namespace,
      name: resource.name,
      kind: 'ServiceEntry',
      ports,
      addresses: spec.addresses ?? [],
      resolution,
      external: spec.location !== 'MESH_INTERNAL',
      exportTo: exportToOf(spec.exportTo, namespace),
      selector: spec.workloadSelector?.labels,
      subjectAltNames: spec.subjectAltNames ?? [],
      endpoints: endpointsOf(found, ports),
    });
  });
}

function finish(
  planned: readonly Instance[],
  service: Omit<Service, 'endpointsHash' | 'serviceAccounts'>,
): Service {
  // Also those that do not run yet, so that clusters stay as they are while instances come and go.
  const serviceAccounts = [
    ...new Set([...service.endpoints, ...planned].map((e) => `${e.namespace}/${e.serviceAccount}`)),
  ].sort();
  const endpointsHash = createHash('sha256')
    .update(JSON.stringify(service.endpoints))
    .digest('base64url')
    .slice(0, 16);
  return { ...service, serviceAccounts, endpointsHash };
}

function endpointsOf(instances: readonly Instance[], ports: readonly ServicePort[]): readonly Endpoint[] {
  return instances
    .map((instance): Endpoint => ({
      address: instance.address,
      ports: portsOf(instance, ports),
      applicationPorts: applicationPortsOfServicePorts(instance, ports),
      mtls: instance.mtls,
      tunnelPort: instance.tunnelPort,
      labels: sorted(instance.labels),
      locality: instance.locality,
      weight: instance.weight,
      health: 'healthy',
      serviceAccount: instance.serviceAccount,
      workloadName: instance.name,
      namespace: instance.namespace,
    }))
    .filter((endpoint) => Object.keys(endpoint.ports).length > 0 && endpoint.weight > 0)
    .sort((a, b) => compare(a.address, b.address) || compare(JSON.stringify(a), JSON.stringify(b)));
}

/** Source: Istio: the instance's port of the service port's name, else of the target port's, else the target port's number. */
function portsOf(instance: Pick<Instance, 'ports'>, ports: readonly ServicePort[]): Record<number, number> {
  const found: Record<number, number> = {};
  for (const { number, name, targetPort } of ports) {
    const named = typeof targetPort === 'string' ? own(instance.ports, targetPort) : undefined;
    const actual =
      named ?? own(instance.ports, name) ?? (typeof targetPort === 'number' ? targetPort : undefined);
    if (actual !== undefined) found[number] = actual;
  }
  return found;
}

/** The application's port for each service port, found as the port of the instance is. */
function applicationPortsOfServicePorts(
  instance: Instance,
  ports: readonly ServicePort[],
): Record<number, number> {
  return portsOf({ ports: { ...instance.ports, ...instance.applicationPorts } }, ports);
}

function own(ports: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(ports, name) ? ports[name] : undefined;
}

function sorted(labels: Texts): Texts {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => compare(a, b)));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
