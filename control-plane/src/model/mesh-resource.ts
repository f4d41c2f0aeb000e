/** The kinds that Heddle reads, each with the API versions under which it is accepted. */
export const meshKinds = {
  Service: ['v1'],
  Secret: ['v1'],
  VirtualService: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  DestinationRule: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  ServiceEntry: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  WorkloadEntry: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  Gateway: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  KubernetesGateway: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
  HTTPRoute: ['gateway.networking.k8s.io/v1', 'gateway.networking.k8s.io/v1beta1'],
  AuthorizationPolicy: ['security.istio.io/v1', 'security.istio.io/v1beta1'],
  PeerAuthentication: ['security.istio.io/v1', 'security.istio.io/v1beta1'],
  RequestAuthentication: ['security.istio.io/v1', 'security.istio.io/v1beta1'],
  Telemetry: ['telemetry.istio.io/v1', 'telemetry.istio.io/v1alpha1'],
  RateLimit: ['heddle.dev/v1alpha1'],
  Workload: ['heddle.dev/v1alpha1'],
  Canary: ['heddle.dev/v1alpha1'],
} as const;

/** `KubernetesGateway` is the `Gateway` of gateway.networking.k8s.io; `Gateway` is Istio's. */
export type MeshKind = keyof typeof meshKinds;

/** Where a resource was read. Lines and columns count from 1. */
export interface ResourceOrigin {
  /** As it is shown to people. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The text of the line a number names, for the caret under a mistake. */
  readonly lineText: (line: number) => string | undefined;
  /**
   * Where a field stands: `['spec', 'http', 0, 'route']`. A field that is absent gives the nearest parent that is there.
   * With `key` the place of the field's name instead of its value.
   */
  readonly locate: (path: FieldPath, key?: 'key') => { readonly line: number; readonly column: number };
}

export type FieldPath = readonly (string | number)[];

/**
 * One resource as it was read and found valid by its schema; nothing is defaulted.
 *
 * Shape: `spec` is the plain JSON of the resource; of a Secret, which has none, it is a `SecretSpec` with hidden texts.
 * `contentHash` covers labels, annotations, a written time of creation and `spec` alone: a resource that only moved inside its file keeps it.
 */
export interface MeshResource<K extends MeshKind = MeshKind> {
  /** `KIND/NAMESPACE/NAME`. */
  readonly key: string;
  readonly kind: K;
  readonly apiVersion: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Those that Heddle may read: `*.istio.io/…`, `istio.io/…` and `heddle.dev/…`. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Units: ms since 1970, from `metadata.creationTimestamp`; 0 where it is not written. The older policy wins a conflict. */
  readonly createdAtMs: number;
  readonly spec: unknown;
  readonly contentHash: string;
  /** It is nothing that was written, but stands in for a security policy that has never been valid. */
  readonly standsIn?: true;
  readonly origin: ResourceOrigin;
}

/** The one way keys of resources are built. */
export function resourceKey(kind: MeshKind, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}

/** `spec.http[0].route[1].weight`. */
export function formatFieldPath(path: FieldPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}
