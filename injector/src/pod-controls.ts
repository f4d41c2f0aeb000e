import { closestName } from '@heddle/common';
import {
  LOG_LEVELS,
  isImageName,
  type InjectorConfig,
  type LogLevel,
  type ProxyResources,
} from './injector-config.js';
import { parseCidr } from './interception-rules/cidr.js';
import { type InterceptionOptions } from './interception-rules/interception-config.js';
import { listEntries, parseNumberRanges } from './interception-rules/number-ranges.js';
import { type ObjectMeta } from './kubernetes-pod.js';
import { readProxyConfig } from './proxy-config-annotation.js';
import { parseQuantity } from './resource-quantity.js';

/** How one pod is injected: the mesh's configuration, changed by the pod's annotations. */
export interface PodControls {
  readonly image: string;
  readonly nativeSidecar: boolean;
  readonly holdApplicationUntilProxyStarts: boolean;
  readonly interceptionMode: InjectorConfig['interceptionMode'];
  readonly interception: InterceptionOptions;
  readonly rewriteAppProbes: boolean;
  readonly mergeMetrics: boolean;
  readonly hbone: boolean;
  readonly resources: ProxyResources;
  readonly logLevel: LogLevel;
  readonly drainSeconds: number;
}

type Reader<T> = (value: string, problem: (text: string) => void) => T;

interface Control<T> {
  /** Ours first: where both are given and differ, the first one counts. */
  readonly names: readonly [string, ...string[]];
  readonly read: Reader<T>;
}

function control<T>(names: readonly [string, ...string[]], read: Reader<T>): Control<T> {
  return { names, read };
}

const portList: Reader<string> = (value, problem) => {
  const problems: string[] = [];
  parseNumberRanges('', value, { first: 1, last: 65_535 }, problems);
  problems.forEach((text) => problem(text.slice(2)));
  return value;
};
const idList: Reader<string> = (value, problem) => {
  const problems: string[] = [];
  parseNumberRanges('', value, { first: 0, last: 4_294_967_294 }, problems);
  problems.forEach((text) => problem(text.slice(2)));
  return value;
};
const rangeList: Reader<string> = (value, problem) => {
  const problems: string[] = [];
  for (const entry of listEntries('', value, problems)) {
    if (parseCidr(entry) === undefined) {
      problem(`${JSON.stringify(entry)} is not an address range such as 10.0.0.0/8`);
    }
  }
  problems.forEach((text) => problem(text.slice(2)));
  return value;
};
const interfaceList: Reader<string> = (value, problem) => {
  const problems: string[] = [];
  for (const entry of listEntries('', value, problems)) {
    if (entry === 'lo' || !/^[A-Za-z0-9_.-]{1,15}$/.test(entry)) {
      problem(`${JSON.stringify(entry)} is not the name of an interface that can be excluded`);
    }
  }
  problems.forEach((text) => problem(text.slice(2)));
  return value;
};

function allOr(read: Reader<string>): Reader<string> {
  return (value, problem) => (value.trim() === '*' ? '*' : read(value, problem));
}

function oneOf<const T extends string>(known: readonly T[]): Reader<T | undefined> {
  return (value, problem) => {
    const found = known.find((item) => item === value);
    if (found === undefined) {
      const close = closestName(value, known);
      const hint = close === undefined ? `expected ${known.join(', ')}` : `did you mean ${close}?`;
      problem(`${JSON.stringify(value)} is not known: ${hint}`);
    }
    return found;
  };
}

/** The forms that Istio takes, which are Go's. */
const truth: Reader<boolean | undefined> = (value, problem) => {
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  problem(`${JSON.stringify(value)} is not true or false`);
  return undefined;
};

const quantity: Reader<string> = (value, problem) => {
  if (parseQuantity(value) === undefined) {
    problem(`${JSON.stringify(value)} is not a quantity such as 100m or 128Mi`);
  }
  return value;
};

const image: Reader<string> = (value, problem) => {
  if (!isImageName(value)) problem(`${JSON.stringify(value)} is not the name of an image`);
  return value;
};

const CONTROLS = {
  image: control(['heddle.dev/proxy-image', 'sidecar.istio.io/proxyImage'], image),
  nativeSidecar: control(['heddle.dev/native-sidecar', 'sidecar.istio.io/nativeSidecar'], truth),
  hold: control(['heddle.dev/hold-application-until-proxy-starts'], truth),
  interceptionMode: control(
    ['heddle.dev/interception-mode', 'sidecar.istio.io/interceptionMode'],
    oneOf(['REDIRECT', 'TPROXY', 'NONE'] as const),
  ),
  includeInboundPorts: control(
    ['heddle.dev/include-inbound-ports', 'traffic.sidecar.istio.io/includeInboundPorts'],
    allOr(portList),
  ),
  excludeInboundPorts: control(
    ['heddle.dev/exclude-inbound-ports', 'traffic.sidecar.istio.io/excludeInboundPorts'],
    portList,
  ),
  includeOutboundPorts: control(
    ['heddle.dev/include-outbound-ports', 'traffic.sidecar.istio.io/includeOutboundPorts'],
    portList,
  ),
  excludeOutboundPorts: control(
    ['heddle.dev/exclude-outbound-ports', 'traffic.sidecar.istio.io/excludeOutboundPorts'],
    portList,
  ),
  includeOutboundIpRanges: control(
    ['heddle.dev/include-outbound-ip-ranges', 'traffic.sidecar.istio.io/includeOutboundIPRanges'],
    allOr(rangeList),
  ),
  excludeOutboundIpRanges: control(
    ['heddle.dev/exclude-outbound-ip-ranges', 'traffic.sidecar.istio.io/excludeOutboundIPRanges'],
    rangeList,
  ),
  excludeInterfaces: control(
    ['heddle.dev/exclude-interfaces', 'traffic.sidecar.istio.io/excludeInterfaces'],
    interfaceList,
  ),
  excludeOutboundUids: control(['heddle.dev/exclude-outbound-uids'], idList),
  excludeOutboundGids: control(['heddle.dev/exclude-outbound-gids'], idList),
  dnsCapture: control(['heddle.dev/dns-capture'], truth),
  rewriteAppProbes: control(
    ['heddle.dev/rewrite-app-probes', 'sidecar.istio.io/rewriteAppHTTPProbers'],
    truth,
  ),
  mergeMetrics: control(['heddle.dev/merge-metrics', 'prometheus.istio.io/merge-metrics'], truth),
  cpu: control(['heddle.dev/proxy-cpu', 'sidecar.istio.io/proxyCPU'], quantity),
  memory: control(['heddle.dev/proxy-memory', 'sidecar.istio.io/proxyMemory'], quantity),
  cpuLimit: control(['heddle.dev/proxy-cpu-limit', 'sidecar.istio.io/proxyCPULimit'], quantity),
  memoryLimit: control(['heddle.dev/proxy-memory-limit', 'sidecar.istio.io/proxyMemoryLimit'], quantity),
  logLevel: control(['heddle.dev/log-level', 'sidecar.istio.io/logLevel'], oneOf(LOG_LEVELS)),
} as const satisfies Record<string, Control<unknown>>;

/** Every annotation that changes how a pod is injected: ours first, then Istio's where there is one. */
export const CONTROL_NAMES: readonly (readonly string[])[] = Object.values(CONTROLS).map(
  ({ names }) => names,
);

/** Names of ours that mean something, though they are read elsewhere. */
const OTHER_OWN_NAMES = ['heddle.dev/inject', 'heddle.dev/rev', 'heddle.dev/status'];

/** Istio's names that mean something, though they are read elsewhere. */
const OTHER_ISTIO_NAMES = ['sidecar.istio.io/inject', 'proxy.istio.io/config'];

/** Where Istio keeps what a sidecar is told by annotations. */
const ISTIO_PREFIXES = [
  'sidecar.istio.io/',
  'traffic.sidecar.istio.io/',
  'inject.istio.io/',
  'status.sidecar.istio.io/',
  'readiness.status.sidecar.istio.io/',
  'proxy.istio.io/',
  'prometheus.istio.io/',
];

/**
 * Reads what a pod's annotations ask for.
 *
 * Errors: every value that is not valid is appended to `problems`, names that are not known to `warnings`.
 */
export function readPodControls(
  metadata: ObjectMeta,
  config: InjectorConfig,
  problems: string[],
  warnings: string[],
): PodControls {
  const annotations = new Map(Object.entries(metadata.annotations ?? {}));
  warnAboutNames(metadata, warnings);

  const given = <T>({
    names,
    read,
  }: Control<T>): { readonly name: string; readonly value: T } | undefined => {
    const present = names.filter((name) => annotations.has(name));
    const name = present[0];
    if (name === undefined) return undefined;
    for (const other of present.slice(1)) {
      if (annotations.get(other) !== annotations.get(name)) {
        warnings.push(`annotation ${other} is not used: ${name} says otherwise`);
      }
    }
    const value = read(annotations.get(name) ?? '', (text) => problems.push(`annotation ${name}: ${text}`));
    return { name, value };
  };
  const valueOf = <T>(asked: Control<T>): T | undefined => given(asked)?.value;

  const proxyConfigText = annotations.get('proxy.istio.io/config');
  const proxyConfig =
    proxyConfigText === undefined ? {} : readProxyConfig(proxyConfigText, problems, warnings);
  const dnsCapture = valueOf(CONTROLS.dnsCapture) ?? proxyConfig.dnsCapture;
  const texts = definedOnly({
    includeInboundPorts: valueOf(CONTROLS.includeInboundPorts),
    excludeInboundPorts: valueOf(CONTROLS.excludeInboundPorts),
    includeOutboundPorts: valueOf(CONTROLS.includeOutboundPorts),
    excludeOutboundPorts: valueOf(CONTROLS.excludeOutboundPorts),
    includeOutboundIpRanges: valueOf(CONTROLS.includeOutboundIpRanges),
    excludeOutboundIpRanges: valueOf(CONTROLS.excludeOutboundIpRanges),
    excludeInterfaces: valueOf(CONTROLS.excludeInterfaces),
    excludeOutboundUids: valueOf(CONTROLS.excludeOutboundUids),
    excludeOutboundGids: valueOf(CONTROLS.excludeOutboundGids),
  });
  return {
    image: valueOf(CONTROLS.image) ?? config.image,
    nativeSidecar: valueOf(CONTROLS.nativeSidecar) ?? config.nativeSidecar,
    holdApplicationUntilProxyStarts:
      valueOf(CONTROLS.hold) ??
      proxyConfig.holdApplicationUntilProxyStarts ??
      config.holdApplicationUntilProxyStarts,
    interceptionMode: valueOf(CONTROLS.interceptionMode) ?? config.interceptionMode,
    interception: {
      ...config.interception,
      ...texts,
      ...(dnsCapture === undefined ? {} : { dnsCapture }),
    },
    rewriteAppProbes: valueOf(CONTROLS.rewriteAppProbes) ?? config.rewriteAppProbes,
    mergeMetrics: valueOf(CONTROLS.mergeMetrics) ?? config.mergeMetrics,
    hbone: proxyConfig.hbone ?? config.hbone,
    resources: readResources(
      {
        requests: { cpu: given(CONTROLS.cpu), memory: given(CONTROLS.memory) },
        limits: { cpu: given(CONTROLS.cpuLimit), memory: given(CONTROLS.memoryLimit) },
      },
      config,
      problems,
    ),
    logLevel: valueOf(CONTROLS.logLevel) ?? config.logLevel,
    drainSeconds: proxyConfig.terminationDrainSeconds ?? config.drainSeconds,
  };
}

type Given = { readonly name: string; readonly value: string } | undefined;

/** As Istio does it: where one of the four is given, only what is given counts. */
function readResources(
  given: Readonly<Record<'requests' | 'limits', Readonly<Record<string, Given>>>>,
  config: InjectorConfig,
  problems: string[],
): ProxyResources {
  const resources = Object.fromEntries(
    Object.entries(given).flatMap(([part, fields]) => {
      const values = Object.entries(fields).flatMap(([name, field]) => (field ? [[name, field.value]] : []));
      return values.length === 0 ? [] : [[part, Object.fromEntries(values)]];
    }),
  ) as ProxyResources;
  if (Object.keys(resources).length === 0) return config.resources;
  for (const name of ['cpu', 'memory']) {
    const request = given.requests[name];
    const limit = given.limits[name];
    if (request === undefined || limit === undefined) continue;
    if ((parseQuantity(request.value) ?? 0) > (parseQuantity(limit.value) ?? Infinity)) {
      problems.push(
        `annotations ${request.name} and ${limit.name}: ${request.value} requested is more than the limit, ${limit.value}`,
      );
    }
  }
  return resources;
}

function warnAboutNames(metadata: ObjectMeta, warnings: string[]): void {
  const known = CONTROL_NAMES.flat();
  const own = [...known.filter((name) => name.startsWith('heddle.dev/')), ...OTHER_OWN_NAMES];
  const istios = [...known.filter((name) => !name.startsWith('heddle.dev/')), ...OTHER_ISTIO_NAMES];
  for (const name of Object.keys(metadata.annotations ?? {})) {
    if (name.startsWith('heddle.dev/') && !own.includes(name)) {
      warnings.push(`annotation ${name} is not known${suggestion(name, own)}`);
    } else if (ISTIO_PREFIXES.some((prefix) => name.startsWith(prefix)) && !istios.includes(name)) {
      warnings.push(`annotation ${name} has no effect here${suggestion(name, istios)}`);
    }
  }
  for (const name of Object.keys(metadata.labels ?? {})) {
    if (known.includes(name)) warnings.push(`label ${name} has no effect: it is an annotation`);
  }
}

/** Only what comes after the prefix is compared: long prefixes would make any two names alike. */
function suggestion(name: string, known: readonly string[]): string {
  const prefix = name.slice(0, name.indexOf('/') + 1);
  const candidates = known.filter((item) => item.startsWith(prefix)).map((item) => item.slice(prefix.length));
  const close = closestName(name.slice(prefix.length), candidates);
  return close === undefined ? '' : `: did you mean ${prefix}${close}?`;
}

function definedOnly<T extends object>(object: T): { [Key in keyof T]?: NonNullable<T[Key]> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: NonNullable<T[Key]>;
  };
}
