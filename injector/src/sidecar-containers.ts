import { type InjectorConfig } from './injector-config.js';
import { formatInterceptionArguments } from './interception-rules/interception-arguments.js';
import { PROXY_ID } from './interception-rules/interception-config.js';
import { type Container } from './kubernetes-pod.js';
import { type PodControls } from './pod-controls.js';
import { INIT_CONTAINER, PROXY_CONTAINER, READINESS_PATH, SIDECAR_PORTS, VOLUMES } from './sidecar-names.js';
import { literalText, ownerPath } from './sidecar-bootstrap.js';
import { type WorkloadOwner } from './workload-owner.js';

/** What the sidecar's container is made from, besides the mesh's configuration. */
export interface SidecarParts {
  readonly controls: PodControls;
  readonly owner: WorkloadOwner;
  readonly bootstrap: string;
  readonly drainSeconds: number;
  /** JSON texts, or undefined where there is nothing to tell. */
  readonly appProbes: string | undefined;
  readonly appScrape: string | undefined;
}

/** How long an application is held back at most; then the kubelet starts the sidecar again. */
const HOLD_TIMEOUT_MS = 60_000;

/**
 * Holds the kubelet until the sidecar is ready; the containers after it start then. `node` is in the image in any
 * case, a shell may not be.
 */
export const HOLD_COMMAND: readonly string[] = [
  'node',
  '-e',
  [
    `const end = Date.now() + ${HOLD_TIMEOUT_MS};`,
    `const again = () => (Date.now() > end ? process.exit(1) : setTimeout(ask, 100));`,
    `const ask = () => require('node:http')`,
    `.get({ host: '127.0.0.1', port: +process.argv[1], path: '${READINESS_PATH}', timeout: 1000 },`,
    `(answer) => { answer.resume(); answer.statusCode === 200 ? process.exit(0) : again(); })`,
    `.on('timeout', function () { this.destroy(); }).on('error', again);`,
    `ask();`,
  ].join(' '),
  String(SIDECAR_PORTS.readiness),
];

/** The sidecar, as a native one or as an ordinary container. */
export function proxyContainer(parts: SidecarParts, config: InjectorConfig): Container {
  const { controls } = parts;
  const ready = { httpGet: { path: READINESS_PATH, port: SIDECAR_PORTS.readiness } };
  return {
    name: PROXY_CONTAINER,
    image: controls.image,
    imagePullPolicy: config.imagePullPolicy,
    ...(controls.nativeSidecar ? { restartPolicy: 'Always' } : {}),
    command: ['heddle-proxy'],
    args: [
      '--config-yaml',
      '$(HEDDLE_BOOTSTRAP)',
      '--log-level',
      controls.logLevel,
      '--drain-time-s',
      String(parts.drainSeconds),
      '--state-dir',
      VOLUMES.state.mountPath,
    ],
    env: environment(parts),
    ports: [{ name: 'heddle-status', containerPort: SIDECAR_PORTS.status, protocol: 'TCP' }],
    ...(controls.nativeSidecar
      ? { startupProbe: { ...ready, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600 } }
      : {}),
    readinessProbe: { ...ready, periodSeconds: 15, timeoutSeconds: 3, failureThreshold: 4 },
    ...(!controls.nativeSidecar && controls.holdApplicationUntilProxyStarts
      ? { lifecycle: { postStart: { exec: { command: HOLD_COMMAND } } } }
      : {}),
    resources: controls.resources,
    securityContext: proxySecurityContext(controls),
    volumeMounts: [
      { ...VOLUMES.token, readOnly: true },
      { ...VOLUMES.rootCertificate, readOnly: true },
      { ...VOLUMES.podInfo, readOnly: true },
      VOLUMES.state,
    ],
  };
}

/** Sets the rules up before anything of the application runs; undefined where nothing is intercepted. */
export function initContainer(controls: PodControls, config: InjectorConfig): Container | undefined {
  if (controls.interceptionMode === 'NONE') return undefined;
  return {
    name: INIT_CONTAINER,
    image: controls.image,
    imagePullPolicy: config.imagePullPolicy,
    command: ['heddle-iptables'],
    args: [
      'apply',
      ...formatInterceptionArguments({ ...controls.interception, mode: controls.interceptionMode }),
    ],
    // iptables-legacy locks a file, and the root file system is read-only.
    env: [{ name: 'XTABLES_LOCKFILE', value: '/dev/shm/heddle-xtables.lock' }],
    resources: controls.resources,
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: false,
      runAsUser: 0,
      runAsGroup: 0,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}

/**
 * The volumes of the sidecar. None needs the pod's fsGroup: without one the kubelet makes the token readable for all
 * containers, with one for that group, which every container has.
 */
export function sidecarVolumes(config: InjectorConfig): readonly Readonly<Record<string, unknown>>[] {
  const { audience, expirationSeconds } = config.token;
  return [
    {
      name: VOLUMES.token.name,
      projected: {
        sources: [{ serviceAccountToken: { path: 'heddle-token', audience, expirationSeconds } }],
      },
    },
    { name: VOLUMES.rootCertificate.name, configMap: { name: config.rootCertificateConfigMap } },
    {
      name: VOLUMES.podInfo.name,
      downwardAPI: {
        items: [
          { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
          { path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' } },
        ],
      },
    },
    { name: VOLUMES.state.name, emptyDir: { sizeLimit: '256Mi' } },
  ];
}

function proxySecurityContext(controls: PodControls): Readonly<Record<string, unknown>> {
  // Kubernetes gives capabilities to root alone, and TPROXY needs one. The rules then tell the sidecar by its group.
  const tproxy = controls.interceptionMode === 'TPROXY';
  return {
    allowPrivilegeEscalation: false,
    privileged: false,
    capabilities: tproxy ? { drop: ['ALL'], add: ['NET_RAW'] } : { drop: ['ALL'] },
    readOnlyRootFilesystem: true,
    runAsNonRoot: !tproxy,
    runAsUser: tproxy ? 0 : PROXY_ID,
    runAsGroup: PROXY_ID,
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

/** What the bootstrap refers to comes before it, for Kubernetes puts in earlier variables alone. */
function environment(parts: SidecarParts): readonly unknown[] {
  const field = (name: string, fieldPath: string): unknown => ({
    name,
    valueFrom: { fieldRef: { fieldPath } },
  });
  const text = (name: string, value: string): unknown => ({ name, value });
  return [
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('INSTANCE_IP', 'status.podIP'),
    field('INSTANCE_IPS', 'status.podIPs'),
    field('HOST_IP', 'status.hostIP'),
    field('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    text('HEDDLE_WORKLOAD_NAME', literalText(parts.owner.name)),
    text('HEDDLE_OWNER', ownerPath(parts.owner)),
    text('HEDDLE_POD_INFO_DIR', VOLUMES.podInfo.mountPath),
    ...(parts.appProbes === undefined ? [] : [text('HEDDLE_APP_PROBES', literalText(parts.appProbes))]),
    ...(parts.appScrape === undefined ? [] : [text('HEDDLE_APP_SCRAPE', literalText(parts.appScrape))]),
    // As heddle-proxy is started everywhere: glibc would make an arena of memory for each of its threads.
    text('MALLOC_ARENA_MAX', '1'),
    text('HEDDLE_BOOTSTRAP', parts.bootstrap),
  ];
}
