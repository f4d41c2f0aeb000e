import { InjectInputError, PodInjectionError } from './errors.js';
import { type Skipped } from './injection-decision.js';
import { type InjectorConfig } from './injector-config.js';
import { applyJsonPatch, pointerTokens, type JsonPatchOperation } from './json-patch.js';
import { MAX_JSON_DEPTH, isJsonObject, isShallow, type JsonObject } from './json-value.js';
import { injectPod, type InjectPodOptions } from './pod-patch.js';
import { problemPlace } from './problem-place.js';

/** What happened to one resource of a file, or to one item of a `List`. */
export interface ResourceResult {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly outcome: 'injected' | 'skipped' | 'not-a-workload';
  readonly skipped?: Skipped;
  readonly warnings: readonly string[];
}

export interface InjectedResource {
  readonly resource: unknown;
  /** What makes `resource` from what was given. */
  readonly patch: readonly JsonPatchOperation[];
  /** One for a resource, one for each item of a list. */
  readonly results: readonly ResourceResult[];
}

export type InjectResourceOptions = Omit<InjectPodOptions, 'owner'>;

/** Where each pod owner keeps its pod template. */
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  'v1/Pod': [],
  'v1/ReplicationController': ['spec', 'template'],
  'apps/Deployment': ['spec', 'template'],
  'apps/StatefulSet': ['spec', 'template'],
  'apps/DaemonSet': ['spec', 'template'],
  'apps/ReplicaSet': ['spec', 'template'],
  'batch/Job': ['spec', 'template'],
  'batch/CronJob': ['spec', 'jobTemplate', 'spec', 'template'],
  'apps.openshift.io/DeploymentConfig': ['spec', 'template'],
};
/** Groups that some of them were in before, and clusters may still be asked for. */
const FORMER_GROUPS: Readonly<Record<string, string>> = { extensions: 'apps', '': 'apps.openshift.io' };

/** Lists within lists are not made by anyone. */
const MAX_LIST_DEPTH = 4;

/**
 * Adds the sidecar to the pods that a resource makes: any owner of pods, a Pod, or a `List` of such. Other resources
 * stay as they are.
 *
 * Errors: PodInjectionError with every problem of every pod, each beginning with its resource, and their places; InjectInputError where
 * the value is no resource.
 */
export function injectResource(
  value: unknown,
  config: InjectorConfig,
  options: InjectResourceOptions = {},
): InjectedResource {
  if (!isShallow(value)) {
    throw new InjectInputError(`the resource is nested more than ${MAX_JSON_DEPTH} levels deep`);
  }
  const work: Work = { config, options, patch: [], results: [], problems: [], places: [] };
  visit(value, '', 0, work);
  if (work.problems.length > 0) throw new PodInjectionError(work.problems, work.places);
  return {
    resource: work.patch.length === 0 ? value : applyJsonPatch(value, work.patch),
    patch: work.patch,
    results: work.results,
  };
}

interface Work {
  readonly config: InjectorConfig;
  readonly options: InjectResourceOptions;
  readonly patch: JsonPatchOperation[];
  readonly results: ResourceResult[];
  readonly problems: string[];
  readonly places: (readonly string[])[];
}

function visit(value: unknown, path: string, depth: number, work: Work): void {
  if (!isJsonObject(value)) throw new InjectInputError('expected a resource with apiVersion and kind');
  const apiVersion = textOf(value['apiVersion']);
  const kind = textOf(value['kind']);
  if (kind === '' || apiVersion === '') {
    throw new InjectInputError('expected a resource: apiVersion or kind is missing');
  }
  const { items } = value;
  // Typed lists, such as DeploymentList, are what some tools write.
  if (kind.endsWith('List') && Array.isArray(items)) {
    if (depth >= MAX_LIST_DEPTH) throw new InjectInputError('lists are nested too deeply');
    items.forEach((item, index) => visit(item, `${path}/items/${index}`, depth + 1, work));
    return;
  }
  const metadata = isJsonObject(value['metadata']) ? value['metadata'] : {};
  const name = textOf(metadata['name']) || textOf(metadata['generateName']).replace(/-$/, '');
  const namespace = work.options.namespace || textOf(metadata['namespace']) || 'default';
  const described = { kind, name, namespace };
  const templatePath = templatePathOf(apiVersion, kind);
  if (templatePath === undefined) {
    const warnings = hasUnknownTemplate(value)
      ? [`${apiVersion} ${kind} seems to make pods, but is not known here: left as it is`]
      : [];
    work.results.push({ ...described, outcome: 'not-a-workload', warnings });
    return;
  }
  const template = templatePath.reduce<unknown>(
    (at, field) => (isJsonObject(at) ? at[field] : undefined),
    value,
  );
  try {
    const injected = injectPod(template, work.config, {
      ...work.options,
      namespace,
      ...(kind === 'Pod' ? {} : { owner: { apiVersion, kind, name } }),
    });
    const prefix = [path, ...templatePath].join('/');
    work.patch.push(
      ...injected.patch.map((operation) => ({ ...operation, path: `${prefix}${operation.path}` })),
    );
    work.results.push({
      ...described,
      outcome: injected.skipped === undefined ? 'injected' : 'skipped',
      ...(injected.skipped === undefined ? {} : { skipped: injected.skipped }),
      warnings: injected.warnings,
    });
  } catch (error) {
    if (!(error instanceof PodInjectionError)) throw error;
    for (const problem of error.problems) {
      work.problems.push(`${kind} ${name || '(no name)'}: ${problem}`);
      work.places.push([...pointerTokens(path), ...templatePath, ...problemPlace(problem, template)]);
    }
  }
}

function templatePathOf(apiVersion: string, kind: string): readonly string[] | undefined {
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  const inGroup = (name: string): readonly string[] | undefined => {
    const key = `${name}/${kind}`;
    return Object.hasOwn(TEMPLATES, key) ? TEMPLATES[key] : undefined;
  };
  // The core group is written as a version alone.
  const found = group === '' && apiVersion === 'v1' ? inGroup('v1') : inGroup(group);
  return found ?? inGroup(FORMER_GROUPS[group] ?? group);
}

function hasUnknownTemplate(value: JsonObject): boolean {
  const spec = isJsonObject(value['spec']) ? value['spec'] : {};
  const template = isJsonObject(spec['template']) ? spec['template'] : {};
  return isJsonObject(template['spec']) && Array.isArray(template['spec']['containers']);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
