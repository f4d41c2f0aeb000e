import { stringify } from 'yaml';
import { buildModel } from '../model/build-model.js';
import { tlsModeLabel, workloadNameLabel } from '../model/build-services.js';
import type { GatewayConfig, MeshModel, Workload } from '../model/mesh-model.js';
import type { MeshResource } from '../model/mesh-resource.js';
import type { MeshSettings } from '../model/mesh-settings.js';
import { encodeResources } from '../snapshot/encode-resources.js';
import type { RawResource } from '../snapshot/resource-store.js';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import type { ProxyView } from '../translate/proxy-view.js';
import { translateProxy } from '../translate/translate-proxy.js';
import type { ExplainableProxy, ExplainedMesh } from './explain-mesh.js';

/** Somebody who calls, and is no Workload of the folder. */
export interface OtherCaller {
  readonly namespace: string;
  readonly workload: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
}

/**
 * The mesh that resources describe, with what they would run taken as running: every replica of a Workload that nobody runs stands
 * at an address of 10.240.0.0/16, behind an intercepting sidecar with an identity.
 */
export function folderMesh(
  resources: ReadonlyMap<string, MeshResource>,
  settings: MeshSettings,
  nowMs: number,
  other?: OtherCaller,
): ExplainedMesh {
  const running = withInstances(resources, buildModel(resources, settings).model);
  const { model } = buildModel(running, settings);
  const proxies = new Map<string, ExplainableProxy>();
  const add = (namespace: string, name: string, view: ProxyView): void => {
    let made: readonly RawResource[] | undefined;
    const resourcesOf = (): readonly RawResource[] =>
      (made ??= [...encodeResources(translateProxy(model, view))]);
    proxies.set(`${namespace}/${name}`, { view, resources: resourcesOf });
  };
  if (other !== undefined) add(other.namespace, other.workload, sidecarView({ ...other, ports: [] }));
  for (const gateway of model.gateways.values()) {
    // A running one is named by what Gateways select it by.
    for (const name of [Object.values(gateway.selector)[0] ?? gateway.name, gateway.name])
      add(gateway.namespace, name, gatewayView(gateway, name));
  }
  for (const workload of model.workloads.values())
    add(workload.namespace, workload.name, sidecarView({ ...workload, workload: workload.name }));
  return {
    model,
    resources: running,
    proxyOf: (namespace, workload) => proxies.get(`${namespace}/${workload}`),
    nowMs,
  };
}

/** As the launcher records what it runs. */
function withInstances(
  resources: ReadonlyMap<string, MeshResource>,
  { workloads }: MeshModel,
): ReadonlyMap<string, MeshResource> {
  const all = new Map(resources);
  const running = new Set(
    [...resources.values()]
      .filter(({ kind }) => kind === 'WorkloadEntry')
      .map(({ namespace, labels }) => `${namespace}/${labels[workloadNameLabel] ?? ''}`),
  );
  let next = 0;
  for (const workload of workloads.values()) {
    if (workload.address !== undefined || running.has(`${workload.namespace}/${workload.name}`)) continue;
    for (let replica = 1; replica <= workload.replicas; replica++) {
      next++;
      const text = stringify(instanceOf(workload, replica, `10.240.${next >> 8}.${next & 255}`));
      for (const resource of parseMeshFile(text, 'not running').resources) all.set(resource.key, resource);
    }
  }
  return all;
}

function instanceOf(workload: Workload, replica: number, address: string): unknown {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: {
      name: `${workload.name}-${replica}`,
      namespace: workload.namespace,
      labels: { ...workload.labels, [workloadNameLabel]: workload.name, [tlsModeLabel]: 'istio' },
    },
    spec: {
      address,
      ports: Object.fromEntries(workload.ports.map(({ name, port }) => [name, port])),
      labels: { ...workload.labels, 'security.istio.io/tlsMode': 'istio' },
      serviceAccount: workload.serviceAccount,
      ...(workload.locality === undefined ? {} : { locality: workload.locality }),
    },
  };
}

const COMMON = {
  accessLogPath: 'none',
  mirrors: false,
  istioFilters: true,
  mtls: true,
  systemRootsPath: '',
} as const;

function sidecarView(
  options: Pick<Workload, 'namespace' | 'labels' | 'serviceAccount' | 'ports'> & {
    readonly workload: string;
  },
): ProxyView {
  const { namespace, labels, serviceAccount, workload, ports } = options;
  return {
    ...COMMON,
    role: 'sidecar',
    ...{ namespace, labels, serviceAccount, workloadName: workload },
    interception: 'REDIRECT',
    explicit: undefined,
    captured: {
      applicationAddress: '',
      ports: ports.map(({ name, port }) => ({ name, port })),
      ipv6: false,
    },
  };
}

function gatewayView({ namespace, selector }: GatewayConfig, name: string): ProxyView {
  return {
    ...COMMON,
    role: 'gateway',
    namespace,
    labels: selector,
    serviceAccount: name,
    workloadName: name,
    interception: 'NONE',
    explicit: undefined,
  };
}
