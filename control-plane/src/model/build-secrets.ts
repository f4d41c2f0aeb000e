import type { HiddenText } from '@heddle/engine';
import type { MeshResource } from './mesh-resource.js';
import type { SecretSpec } from './specs/services.js';

/** The names under which Secrets hold certificates: Kubernetes', then Istio's older ones. */
export const secretFields = {
  certificate: ['tls.crt', 'cert'],
  key: ['tls.key', 'key'],
  authorities: ['ca.crt', 'cacert'],
  revocations: ['ca.crl', 'crl'],
} as const;

/** What a `Secret` gives to gateways. All are PEM. */
export interface TlsSecret {
  readonly namespace: string;
  readonly name: string;
  readonly certificate: { readonly chain: HiddenText; readonly key: HiddenText } | undefined;
  readonly authorities: HiddenText | undefined;
  /** What the authorities have taken back. */
  readonly revocations: HiddenText | undefined;
}

const built = new WeakMap<MeshResource, TlsSecret>();

/** A `Secret`; the same object for the same resource. */
export function tlsSecretOf(resource: MeshResource): TlsSecret {
  let secret = built.get(resource);
  if (secret === undefined) {
    const { data } = resource.spec as SecretSpec;
    const first = (names: readonly string[]): HiddenText | undefined => {
      const name = names.find((candidate) => Object.hasOwn(data, candidate));
      return name === undefined ? undefined : data[name];
    };
    const chain = first(secretFields.certificate);
    const key = first(secretFields.key);
    secret = {
      namespace: resource.namespace,
      name: resource.name,
      certificate: chain === undefined || key === undefined ? undefined : { chain, key },
      authorities: first(secretFields.authorities),
      revocations: first(secretFields.revocations),
    };
    built.set(resource, secret);
  }
  return secret;
}

/** Which Secret holds the authorities that go with a name: NAME-cacert, else NAME itself. Source: Istio. */
export function authoritiesOf(
  secrets: ReadonlyMap<string, TlsSecret>,
  namespace: string,
  name: string,
): TlsSecret | undefined {
  const secret = secrets.get(`${namespace}/${name}-cacert`) ?? secrets.get(`${namespace}/${name}`);
  return secret?.authorities === undefined ? undefined : secret;
}
