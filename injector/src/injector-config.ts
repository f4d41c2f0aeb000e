import {
  parseInterceptionOptions,
  type InterceptionOptions,
} from './interception-rules/interception-config.js';
import { InjectorConfigError, InterceptionOptionsError } from './errors.js';
import { parseQuantity } from './resource-quantity.js';

/** Requests and limits of the sidecar, as Kubernetes writes them. */
export interface ProxyResources {
  readonly requests?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, string>>;
}

/** What holds for every pod of a cluster; a pod's annotations may change some of it for that pod. */
export interface InjectorConfig {
  /** The image that holds `heddle-proxy` and `heddle-iptables`. */
  readonly image: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly imagePullSecrets: readonly string[];
  /** Pods and namespaces ask for it by `istio.io/rev` or `heddle.dev/rev`. */
  readonly revision: string;
  /** Whether namespaces that say nothing are injected. */
  readonly enabledByDefault: boolean;
  readonly ignoredNamespaces: readonly string[];
  /** Whether the cluster runs init containers with `restartPolicy: Always` (Kubernetes 1.29 and newer). */
  readonly nativeSidecar: boolean;
  /** Without native sidecars: whether the application starts only when the sidecar is ready. */
  readonly holdApplicationUntilProxyStarts: boolean;
  readonly interceptionMode: 'REDIRECT' | 'TPROXY' | 'NONE';
  readonly interception: InterceptionOptions;
  readonly rewriteAppProbes: boolean;
  readonly mergeMetrics: boolean;
  /** Whether sidecars reach each other through tunnels (HBONE). */
  readonly hbone: boolean;
  readonly resources: ProxyResources;
  readonly logLevel: LogLevel;
  /** How long requests in flight may take when the pod ends; never longer than the pod's grace period allows. */
  readonly drainSeconds: number;
  readonly controlPlane: { readonly host: string; readonly port: number; readonly tls: boolean };
  readonly clusterName: string;
  readonly meshId: string;
  readonly network: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly token: { readonly audience: string; readonly expirationSeconds: number };
  /** In every namespace; its key is `root-cert.pem`. */
  readonly rootCertificateConfigMap: string;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What has no default is the image alone. */
export type InjectorOptions = Pick<InjectorConfig, 'image'> &
  Partial<Omit<InjectorConfig, 'controlPlane' | 'token'>> & {
    readonly controlPlane?: Partial<InjectorConfig['controlPlane']>;
    readonly token?: Partial<InjectorConfig['token']>;
  };

const DEFAULTS: Omit<InjectorConfig, 'image'> = {
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: [],
  revision: 'default',
  enabledByDefault: false,
  ignoredNamespaces: ['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage'],
  nativeSidecar: true,
  holdApplicationUntilProxyStarts: true,
  interceptionMode: 'REDIRECT',
  interception: {},
  rewriteAppProbes: true,
  mergeMetrics: true,
  hbone: false,
  resources: {
    requests: { cpu: '100m', memory: '128Mi' },
    limits: { cpu: '2', memory: '1Gi' },
  },
  logLevel: 'info',
  drainSeconds: 25,
  controlPlane: { host: 'heddled.heddle-system.svc', port: 15_012, tls: true },
  clusterName: 'Kubernetes',
  meshId: 'cluster.local',
  network: '',
  trustDomain: 'cluster.local',
  clusterDomain: 'cluster.local',
  token: { audience: 'heddle-ca', expirationSeconds: 43_200 },
  rootCertificateConfigMap: 'heddle-ca-root-cert',
};

/** The kubelet refuses shorter lives of a token. */
const SHORTEST_TOKEN_SECONDS = 600;

/**
 * Completes and checks the injector's configuration.
 *
 * Errors: InjectorConfigError with every problem, each beginning with the option's name.
 */
export function createInjectorConfig(options: InjectorOptions): InjectorConfig {
  const config: InjectorConfig = {
    ...DEFAULTS,
    ...options,
    controlPlane: { ...DEFAULTS.controlPlane, ...options.controlPlane },
    token: { ...DEFAULTS.token, ...options.token },
  };
  const problems: string[] = [];
  const expect = (good: boolean, problem: string): void => {
    if (!good) problems.push(problem);
  };
  const isDnsName = (text: string): boolean => /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(text);
  const { controlPlane, token, resources } = config;
  expect(isImageName(config.image), `image: ${quote(config.image)} is not the name of an image`);
  expect(isDnsName(config.revision), `revision: ${quote(config.revision)} is not a name`);
  expect(isDnsName(controlPlane.host), `controlPlane.host: ${quote(controlPlane.host)} is not a host name`);
  expect(isPort(controlPlane.port), `controlPlane.port: ${controlPlane.port} is not a port`);
  expect(isDnsName(config.trustDomain), `trustDomain: ${quote(config.trustDomain)} is not a domain`);
  expect(isDnsName(config.clusterDomain), `clusterDomain: ${quote(config.clusterDomain)} is not a domain`);
  expect(
    isDnsName(config.rootCertificateConfigMap),
    `rootCertificateConfigMap: ${quote(config.rootCertificateConfigMap)} is not a name`,
  );
  expect(token.audience !== '', 'token.audience: is empty');
  expect(
    Number.isInteger(token.expirationSeconds) && token.expirationSeconds >= SHORTEST_TOKEN_SECONDS,
    `token.expirationSeconds: expected at least ${SHORTEST_TOKEN_SECONDS}`,
  );
  expect(
    Number.isInteger(config.drainSeconds) && config.drainSeconds > 0,
    'drainSeconds: expected a whole number of seconds above 0',
  );
  problems.push(...resourceProblems(resources, 'resources'));
  try {
    parseInterceptionOptions(config.interception);
  } catch (error) {
    if (!(error instanceof InterceptionOptionsError)) throw error;
    problems.push(...error.problems.map((problem) => `interception.${problem}`));
  }
  if (problems.length > 0) throw new InjectorConfigError(problems);
  return deepFreeze(structuredClone(config));
}

/** What is wrong with requests and limits: no quantities, or a request above its limit. */
export function resourceProblems(resources: ProxyResources, path: string): readonly string[] {
  const problems: string[] = [];
  for (const part of ['requests', 'limits'] as const) {
    for (const [name, text] of Object.entries(resources[part] ?? {})) {
      if (parseQuantity(text) === undefined) {
        problems.push(`${path}.${part}.${name}: ${quote(text)} is not a quantity such as 100m or 128Mi`);
      }
    }
  }
  for (const [name, text] of Object.entries(resources.limits ?? {})) {
    const request = resources.requests?.[name];
    if (request === undefined) continue;
    if ((parseQuantity(request) ?? 0) > (parseQuantity(text) ?? Infinity)) {
      problems.push(`${path}: ${name} requested, ${request}, is more than its limit, ${text}`);
    }
  }
  return problems;
}

/** Enough to refuse what is no image at all; the registry knows the rest. */
export function isImageName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}$/.test(text);
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
