import { isJsonObject, isShallow, MAX_JSON_DEPTH } from './json-value.js';
import { PodInjectionError } from './errors.js';

// The fields of Kubernetes' core/v1 types that injection reads. Everything else is carried along untouched.

export interface Pod {
  readonly metadata?: ObjectMeta;
  readonly spec: PodSpec;
  readonly [field: string]: unknown;
}

export interface ObjectMeta {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly [field: string]: unknown;
}

export interface OwnerReference {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly controller?: boolean;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly ephemeralContainers?: readonly Container[];
  readonly volumes?: readonly NamedItem[];
  readonly imagePullSecrets?: readonly NamedItem[];
  readonly hostNetwork?: boolean;
  readonly restartPolicy?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: SecurityContext;
  readonly os?: { readonly name?: string };
  readonly [field: string]: unknown;
}

export interface Container {
  readonly name: string;
  readonly ports?: readonly ContainerPort[];
  readonly restartPolicy?: string;
  readonly securityContext?: SecurityContext;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly lifecycle?: {
    readonly postStart?: Readonly<Record<string, unknown>>;
    readonly preStop?: Readonly<Record<string, unknown>>;
  };
  readonly [field: string]: unknown;
}

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol?: string;
}

export interface NamedItem {
  readonly name?: string;
  readonly [field: string]: unknown;
}

export interface SecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly [field: string]: unknown;
}

export interface Probe {
  readonly httpGet?: {
    readonly port: number | string;
    readonly host?: string;
    readonly [field: string]: unknown;
  };
  readonly tcpSocket?: { readonly port: number | string; readonly host?: string };
  readonly grpc?: { readonly port: number; readonly service?: string };
  readonly timeoutSeconds?: number;
  readonly [field: string]: unknown;
}

/** More containers than this are refused; each is compared with each other thing of the pod. */
const MAX_CONTAINERS = 1_000;

/**
 * Takes a value as a pod, or as a pod template, which has the same shape. Only what injection reads is checked.
 *
 * Errors: PodInjectionError with every problem, each beginning with its path.
 */
export function parsePod(value: unknown): Pod {
  if (!isJsonObject(value)) throw new PodInjectionError(['expected a pod, found no object']);
  if (!isShallow(value)) {
    throw new PodInjectionError([`the pod is nested more than ${MAX_JSON_DEPTH} levels deep`]);
  }
  const problems: string[] = [];
  const check = new ShapeCheck(problems);
  const metadata = check.object(value['metadata'], 'metadata');
  for (const name of ['name', 'generateName', 'namespace']) check.text(metadata[name], `metadata.${name}`);
  for (const name of ['labels', 'annotations']) {
    for (const [key, text] of Object.entries(check.object(metadata[name], `metadata.${name}`))) {
      if (typeof text !== 'string') {
        problems.push(
          `metadata.${name}: the value of ${JSON.stringify(key)} must be a string: put it in quotes`,
        );
      }
    }
  }
  check.list(metadata['ownerReferences'], 'metadata.ownerReferences');

  const spec = check.object(value['spec'], 'spec');
  if (check.list(spec['containers'], 'spec.containers').length === 0 && problems.length === 0) {
    problems.push('spec.containers: a pod needs at least one container');
  }
  for (const list of ['containers', 'initContainers', 'ephemeralContainers']) {
    const items = check.list(spec[list], `spec.${list}`);
    if (items.length > MAX_CONTAINERS) problems.push(`spec.${list}: more than ${MAX_CONTAINERS} containers`);
    else items.forEach((item, index) => check.container(item, `spec.${list}[${index}]`));
  }
  for (const list of ['volumes', 'imagePullSecrets']) {
    check
      .list(spec[list], `spec.${list}`)
      .forEach((item, index) => check.text(item['name'], `spec.${list}[${index}].name`));
  }
  check.truth(spec['hostNetwork'], 'spec.hostNetwork');
  check.text(spec['restartPolicy'], 'spec.restartPolicy');
  check.whole(spec['terminationGracePeriodSeconds'], 'spec.terminationGracePeriodSeconds');
  check.securityContext(spec['securityContext'], 'spec.securityContext');
  check.text(check.object(spec['os'], 'spec.os')['name'], 'spec.os.name');
  if (problems.length > 0) throw new PodInjectionError(problems);
  return value as unknown as Pod;
}

/** Names what is not as Kubernetes has it. What is absent or null is as if empty. */
class ShapeCheck {
  readonly #problems: string[];

  constructor(problems: string[]) {
    this.#problems = problems;
  }

  object(value: unknown, path: string): Readonly<Record<string, unknown>> {
    if (isJsonObject(value)) return value;
    if (value !== undefined && value !== null) this.#problems.push(`${path}: expected an object`);
    return {};
  }

  list(value: unknown, path: string): readonly Readonly<Record<string, unknown>>[] {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) {
      if (value.every(isJsonObject)) return value;
      this.#problems.push(`${path}: expected a list of objects`);
      return [];
    }
    this.#problems.push(`${path}: expected a list`);
    return [];
  }

  text(value: unknown, path: string): void {
    this.#scalar(value, path, 'string', 'a string');
  }

  truth(value: unknown, path: string): void {
    this.#scalar(value, path, 'boolean', 'true or false');
  }

  whole(value: unknown, path: string): void {
    if (value !== undefined && value !== null && !Number.isInteger(value)) {
      this.#problems.push(`${path}: expected a whole number`);
    }
  }

  securityContext(value: unknown, path: string): void {
    const context = this.object(value, path);
    this.whole(context['runAsUser'], `${path}.runAsUser`);
    this.whole(context['runAsGroup'], `${path}.runAsGroup`);
  }

  container(container: Readonly<Record<string, unknown>>, path: string): void {
    if (typeof container['name'] !== 'string' || container['name'] === '') {
      this.#problems.push(`${path}.name: expected a name`);
    }
    this.text(container['restartPolicy'], `${path}.restartPolicy`);
    this.securityContext(container['securityContext'], `${path}.securityContext`);
    this.list(container['ports'], `${path}.ports`).forEach((port, index) => {
      this.text(port['name'], `${path}.ports[${index}].name`);
      if (!Number.isInteger(port['containerPort'])) {
        this.#problems.push(`${path}.ports[${index}].containerPort: expected a port`);
      }
    });
    for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
      const probe = this.object(container[name], `${path}.${name}`);
      this.whole(probe['timeoutSeconds'], `${path}.${name}.timeoutSeconds`);
      for (const kind of ['httpGet', 'tcpSocket', 'grpc']) {
        const action = this.object(probe[kind], `${path}.${name}.${kind}`);
        const { port } = action;
        if (probe[kind] === undefined || probe[kind] === null) continue;
        if (!Number.isInteger(port) && (typeof port !== 'string' || kind === 'grpc')) {
          this.#problems.push(`${path}.${name}.${kind}.port: expected a port`);
        }
        this.text(action['host'], `${path}.${name}.${kind}.host`);
      }
    }
    const lifecycle = this.object(container['lifecycle'], `${path}.lifecycle`);
    for (const name of ['postStart', 'preStop']) this.object(lifecycle[name], `${path}.lifecycle.${name}`);
  }

  #scalar(value: unknown, path: string, type: string, expected: string): void {
    if (value !== undefined && value !== null && typeof value !== type) {
      this.#problems.push(`${path}: expected ${expected}`);
    }
  }
}
