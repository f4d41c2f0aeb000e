import { PodInjectionError } from './errors.js';
import {
  STATUS_ANNOTATION,
  injectionSkipped,
  type InjectionContext,
  type Skipped,
} from './injection-decision.js';
import { type InjectorConfig } from './injector-config.js';
import { diffJson, type JsonPatchOperation } from './json-patch.js';
import { parsePod, type Container, type Pod } from './kubernetes-pod.js';
import { readPodControls, type PodControls } from './pod-controls.js';
import {
  allContainers,
  applicationContainers,
  initContainerWarnings,
  podConflicts,
} from './pod-conflicts.js';
import { rewriteProbes, warnAboutLifecycle } from './probe-rewrite.js';
import { mergePrometheus } from './prometheus-merge.js';
import { sidecarBootstrap } from './sidecar-bootstrap.js';
import { initContainer, proxyContainer, sidecarVolumes } from './sidecar-containers.js';
import { canonicalService, workloadOwnerOf, type WorkloadOwner } from './workload-owner.js';

/** Where a pod comes to live, and whose it is. */
export interface InjectPodOptions extends InjectionContext {
  /** Default: found by the pod's `ownerReferences`. */
  readonly owner?: WorkloadOwner;
}

export interface InjectedPod {
  /** The pod as it should be; the one given where it is skipped. */
  readonly pod: Pod;
  /** RFC 6902; empty where the pod is skipped. */
  readonly patch: readonly JsonPatchOperation[];
  readonly skipped?: Skipped;
  /** What the user should know: names without effect, traffic that bypasses the sidecar. */
  readonly warnings: readonly string[];
}

/** Together they go into one environment variable each, which the kernel bounds at 128 KiB. */
const MAX_VARIABLE_CHARACTERS = 96 * 1024;

/** The kubelet kills when the grace period ends; the sidecar's own end needs a part of it. */
const END_SECONDS = 5;
const DEFAULT_GRACE_SECONDS = 30;

/**
 * Adds the sidecar to a pod, or to a pod template, which has the same shape.
 *
 * Shape: pure and deterministic; the input is not changed, and what is injected already is returned as it is.
 * Errors: PodInjectionError with every problem: what is no pod, annotations that are not valid, names, ports and user
 * ids that are taken.
 */
export function injectPod(
  value: unknown,
  config: InjectorConfig,
  options: InjectPodOptions = {},
): InjectedPod {
  const pod = parsePod(value);
  const skipped = injectionSkipped(pod, options, config);
  if (skipped !== undefined) return { pod, patch: [], skipped, warnings: [] };

  const problems: string[] = [];
  const warnings: string[] = [];
  const metadata = pod.metadata ?? {};
  const controls = readPodControls(metadata, config, problems, warnings);
  problems.push(...podConflicts(pod, controls));
  warnings.push(...initContainerWarnings(pod, controls), ...podWarnings(pod, controls, options));
  warnAboutLifecycle(applicationContainers(pod), warnings);

  const owner = options.owner ?? workloadOwnerOf(metadata);
  const labels = withIdentityLabels(metadata.labels ?? {}, owner, controls);
  const probes = probesOf(pod, controls, warnings);
  const scrape = controls.mergeMetrics
    ? mergePrometheus(metadata.annotations ?? {}, warnings)
    : { annotations: metadata.annotations ?? {}, appScrape: undefined };
  const proxy = proxyContainer(
    {
      controls,
      owner,
      bootstrap: sidecarBootstrap(
        {
          owner,
          labels,
          interceptionMode: controls.interceptionMode,
          dnsCapture: controls.interception.dnsCapture === true,
          hbone: controls.hbone,
          appContainers: applicationContainers(pod).map(({ name }) => name),
        },
        config,
      ),
      drainSeconds: drainSecondsOf(pod, controls, warnings),
      appProbes: Object.keys(probes.appProbes).length === 0 ? undefined : JSON.stringify(probes.appProbes),
      appScrape: scrape.appScrape === undefined ? undefined : JSON.stringify(scrape.appScrape),
    },
    config,
  );
  problems.push(...tooLongVariables(proxy));
  if (problems.length > 0) throw new PodInjectionError(problems);

  const init = initContainer(controls, config);
  const placed = placeContainers(probes, proxy, init, controls);
  const volumes = sidecarVolumes(config);
  const presentSecrets = (pod.spec.imagePullSecrets ?? []).map(({ name }) => name);
  const newSecrets = config.imagePullSecrets.filter((name) => !presentSecrets.includes(name));
  const annotations: Record<string, string> = {
    ...scrape.annotations,
    [STATUS_ANNOTATION]: JSON.stringify({
      revision: config.revision,
      image: controls.image,
      containers: controls.nativeSidecar ? [] : [proxy.name],
      initContainers: [...(init ? [init.name] : []), ...(controls.nativeSidecar ? [proxy.name] : [])],
      volumes: volumes.map(({ name }) => name),
      imagePullSecrets: newSecrets,
    }),
  };
  const defaultContainer = 'kubectl.kubernetes.io/default-container';
  if (!controls.nativeSidecar && annotations[defaultContainer] === undefined) {
    // The sidecar may come first, and `kubectl logs` and `exec` should still mean the application.
    annotations[defaultContainer] = pod.spec.containers[0]?.name ?? '';
  }
  const injected: Pod = {
    ...pod,
    metadata: { ...metadata, labels, annotations },
    spec: {
      ...pod.spec,
      ...placed,
      volumes: [...(pod.spec.volumes ?? []), ...volumes],
      ...(newSecrets.length === 0
        ? {}
        : {
            imagePullSecrets: [...(pod.spec.imagePullSecrets ?? []), ...newSecrets.map((name) => ({ name }))],
          }),
    },
  };
  return { pod: injected, patch: diffJson(pod, injected), warnings };
}

interface Probes {
  readonly containers: readonly Container[];
  readonly initContainers: readonly Container[];
  readonly appProbes: Readonly<Record<string, unknown>>;
}

function probesOf(pod: Pod, controls: PodControls, warnings: string[]): Probes {
  const { containers, initContainers } = pod.spec;
  const unchanged = { containers, initContainers: initContainers ?? [], appProbes: {} };
  if (!controls.rewriteAppProbes || controls.interceptionMode === 'NONE') return unchanged;
  const all = allContainers(pod);
  const ordinary = rewriteProbes(containers, all, warnings);
  if (!controls.nativeSidecar) {
    // They start before the sidecar: nobody would answer, and the pod would wait for them for ever.
    warnings.push(
      ...unchanged.initContainers.flatMap(({ name, ...container }) =>
        ['livenessProbe', 'readinessProbe', 'startupProbe']
          .filter((field) => (container as Readonly<Record<string, unknown>>)[field])
          .map(
            (field) =>
              `init container ${name}: its ${field} stays as it is, for it starts before the sidecar`,
          ),
      ),
    );
    return { ...unchanged, ...ordinary };
  }
  const native = rewriteProbes(unchanged.initContainers, all, warnings);
  return {
    containers: ordinary.containers,
    initContainers: native.containers,
    appProbes: { ...ordinary.appProbes, ...native.appProbes },
  };
}

/**
 * A native sidecar comes before the application's init containers, so that these are part of the mesh. An ordinary one
 * runs only after them all: the rules are then set up last, for nobody would answer their connections before.
 */
function placeContainers(
  { containers, initContainers }: Probes,
  proxy: Container,
  init: Container | undefined,
  controls: PodControls,
): { readonly containers: readonly Container[]; readonly initContainers?: readonly Container[] } {
  const inits = init === undefined ? [] : [init];
  if (controls.nativeSidecar) {
    return { containers, initContainers: [...inits, proxy, ...initContainers] };
  }
  const all = controls.holdApplicationUntilProxyStarts ? [proxy, ...containers] : [...containers, proxy];
  const allInits = [...initContainers, ...inits];
  return { containers: all, ...(allInits.length === 0 ? {} : { initContainers: allInits }) };
}

/** Labels that tell other proxies of the mesh, Heddle's and Istio's, what this pod can do and what it is. */
function withIdentityLabels(
  labels: Readonly<Record<string, string>>,
  owner: WorkloadOwner,
  { hbone }: PodControls,
): Readonly<Record<string, string>> {
  const { name, revision } = canonicalService(labels, owner);
  const identity = {
    'security.istio.io/tlsMode': 'istio',
    ...(hbone ? { 'networking.istio.io/tunnel': 'http' } : {}),
    ...(name === '' ? {} : { 'service.istio.io/canonical-name': name }),
    'service.istio.io/canonical-revision': revision,
  };
  // The user's come first and stay as they are.
  return {
    ...labels,
    ...Object.fromEntries(Object.entries(identity).filter(([key]) => !Object.hasOwn(labels, key))),
  };
}

/** The sidecar is to be gone before the kubelet kills it. */
function drainSecondsOf(pod: Pod, controls: PodControls, warnings: string[]): number {
  const grace = pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  const longest = Math.max(1, grace > 2 * END_SECONDS ? grace - END_SECONDS : grace - 1);
  if (controls.drainSeconds <= longest) return controls.drainSeconds;
  warnings.push(
    `requests in flight get ${longest}s instead of ${controls.drainSeconds}s at the end: terminationGracePeriodSeconds is ${grace}`,
  );
  return longest;
}

function podWarnings(pod: Pod, controls: PodControls, options: InjectPodOptions): readonly string[] {
  const warnings: string[] = [];
  const { restartPolicy } = pod.spec;
  if (!controls.nativeSidecar && (restartPolicy === 'Never' || restartPolicy === 'OnFailure')) {
    warnings.push(
      `restartPolicy ${restartPolicy}: without native sidecars the pod never completes, because the sidecar does not end`,
    );
  }
  const security = options.namespaceLabels?.['pod-security.kubernetes.io/enforce'];
  if (controls.interceptionMode !== 'NONE' && (security === 'baseline' || security === 'restricted')) {
    warnings.push(
      `the namespace enforces the Pod Security level "${security}", which refuses the capabilities of heddle-init`,
    );
  }
  return warnings;
}

function tooLongVariables({ env }: Container): readonly string[] {
  return (env as readonly { readonly name: string; readonly value?: string }[])
    .filter(({ value }) => value !== undefined && value.length > MAX_VARIABLE_CHARACTERS)
    .map(({ name }) => `${name} for the sidecar would be longer than ${MAX_VARIABLE_CHARACTERS} characters`);
}
