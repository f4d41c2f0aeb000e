import { isJsonObject } from './json-value.js';

/**
 * Where in a pod the problem is that a text tells of, by its field names: every problem of a PodInjectionError begins with
 * what it is about, an annotation, a container, a volume or a path.
 *
 * Shape: empty, the whole pod, where the text begins with nothing of these.
 */
export function problemPlace(problem: string, pod: unknown): readonly string[] {
  const annotation = /^annotations? (\S+?)(?::| and )/.exec(problem)?.[1];
  if (annotation !== undefined) return ['metadata', 'annotations', annotation];
  const value = /^metadata\.(labels|annotations): the value of ("(?:[^"\\]|\\.)*")/.exec(problem);
  if (value !== null) return ['metadata', value[1] ?? '', JSON.parse(value[2] ?? '""') as string];
  const path = /^((?:metadata|spec)(?:\.\w+|\[\d+\])*):/.exec(problem)?.[1];
  if (path !== undefined) return path.split(/[.[\]]+/).filter((part) => part !== '');
  const [, kind, name, rest = ''] = /^(?:init )?(container|volume) (\S+?): (.*)/.exec(problem) ?? [];
  const lists = kind === 'volume' ? ['volumes'] : ['containers', 'initContainers', 'ephemeralContainers'];
  for (const list of name === undefined ? [] : lists) {
    const spec = isJsonObject(pod) ? pod['spec'] : undefined;
    const items: unknown = isJsonObject(spec) ? spec[list] : undefined;
    const index = Array.isArray(items)
      ? items.findIndex((item) => isJsonObject(item) && item['name'] === name)
      : -1;
    if (index >= 0) return ['spec', list, String(index), ...within(rest)];
  }
  return [];
}

/** The field of a container or volume that the rest of the text is about. */
function within(rest: string): readonly string[] {
  if (rest.startsWith('the name ')) return ['name'];
  if (rest.startsWith('port ') || rest.startsWith('the port name ')) return ['ports'];
  const id = /^(runAsUser|runAsGroup) /.exec(rest)?.[1];
  return id === undefined ? [] : ['securityContext', id];
}
