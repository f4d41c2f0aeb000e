import { resourceKey, type FieldPath, type MeshResource } from '../model/mesh-resource.js';
import type { VirtualServiceSpec } from '../model/specs/virtual-service.js';

/** A place in the YAML that made something so. */
export interface ConfigOrigin {
  /** `VirtualService default/reviews`. */
  readonly resource: string;
  readonly file: string;
  readonly line: number;
}

type Resources = ReadonlyMap<string, MeshResource>;

/** Where the rule stands by which a route was made, of its name `NAMESPACE/RESOURCE/RULE`; undefined for routes that nobody wrote. */
export function routeOrigin(resources: Resources, routeName: string): ConfigOrigin | undefined {
  const [, namespace, name, rule] = /^([^/]+)\/([^/]+)\/(.+)$/s.exec(routeName) ?? [];
  if (namespace === undefined || name === undefined || rule === undefined) return undefined;
  const virtualService = resources.get(resourceKey('VirtualService', namespace, name));
  if (virtualService !== undefined) {
    const { http = [] } = virtualService.spec as VirtualServiceSpec;
    const at = http.findIndex((one, i) => isRule(rule, String(one.name ?? i)));
    if (at !== -1) {
      const match = http[at]?.match?.findIndex((one) => rule.endsWith(`.${one.name ?? ''}`)) ?? -1;
      const path = ['spec', 'http', at];
      return originAt(
        virtualService,
        match === -1 || http[at]?.match?.[match]?.name === undefined ? path : [...path, 'match', match],
      );
    }
  }
  const httpRoute = resources.get(resourceKey('HTTPRoute', namespace, name));
  const index = /^(\d+)/.exec(rule)?.[1];
  return httpRoute && originAt(httpRoute, index === undefined ? ['spec'] : ['spec', 'rules', Number(index)]);
}

/** `RULE`, or `RULE.MATCH`. */
function isRule(text: string, rule: string): boolean {
  return text === rule || text.startsWith(`${rule}.`);
}

/** Where the rule of an AuthorizationPolicy stands, of the name that Istio gives it: `ns[default]-policy[a]-rule[0]`. */
export function policyOrigin(resources: Resources, policyName: string): ConfigOrigin | undefined {
  const [, namespace, name, rule] = /^ns\[(.*)\]-policy\[(.*)\]-rule\[(\d+)\]$/.exec(policyName) ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  const policy = resources.get(resourceKey('AuthorizationPolicy', namespace, name));
  return policy && originAt(policy, ['spec', 'rules', Number(rule)]);
}

/** Where a resource stands, of its key. */
export function resourceOrigin(resources: Resources, key: string): ConfigOrigin | undefined {
  const resource = resources.get(key);
  return resource && originAt(resource, []);
}

function originAt({ kind, namespace, name, origin }: MeshResource, path: FieldPath): ConfigOrigin {
  const { line } = path.length === 0 ? origin : origin.locate(path);
  return { resource: `${kind} ${namespace}/${name}`, file: origin.file, line };
}
