import type { envoy } from '@heddle/xds-protos';
import { authoritiesOf, type TlsSecret } from '../model/build-secrets.js';
import type { ClientTls, MeshModel, TrafficPolicy } from '../model/mesh-model.js';
import { serves } from './gateway-routes.js';
import type { ProxyView } from './proxy-view.js';
import type { ResourceSet } from './resource-set.js';
import { authoritiesResource, certificateResource } from './secret-references.js';
import type { EffectivePolicy, NamespaceScope } from './visibility.js';

type Secret = envoy.extensions.transport_sockets.tls.v3.ISecret;

/**
 * What a proxy gets of the Secrets of its namespace: a gateway those that its own servers and the rules for its own calls name, a
 * sidecar those of rules that are for it alone.
 */
export function addSecrets(set: ResourceSet, model: MeshModel, view: ProxyView, scope: NamespaceScope): void {
  if (model.secrets.size === 0 || (view.role !== 'gateway' && !scope.hasSelectors)) return;
  for (const name of namedSecrets(model, view, scope)) {
    const secret = model.secrets.get(`${view.namespace}/${name}`);
    if (secret?.certificate !== undefined) set.addSecret(certificateSecret(secret, name));
    const owner = authoritiesOf(model.secrets, view.namespace, name);
    if (owner?.authorities !== undefined) set.addSecret(authoritiesSecret(owner, name));
  }
}

function namedSecrets(model: MeshModel, view: ProxyView, scope: NamespaceScope): ReadonlySet<string> {
  const names = new Set<string>();
  for (const gateway of model.gateways.values()) {
    if (view.role !== 'gateway' || !serves(view, gateway)) continue;
    for (const { tls } of gateway.servers) for (const name of tls?.credentialNames ?? []) names.add(name);
  }
  for (const service of scope.services.values()) {
    const policy = scope.policyFor(service, view);
    if (!mayHaveSecrets(view, policy)) continue;
    for (const { credentialName } of credentialRules(policy)) names.add(credentialName);
  }
  return names;
}

/** Gateways may, and whom a rule was written for by its labels. Source: Istio: not every sidecar for which a rule happens to hold. */
function mayHaveSecrets(view: ProxyView, policy: EffectivePolicy): boolean {
  return view.role === 'gateway' || policy.selector !== undefined;
}

/** The rules for a service, its subsets and ports that ask for a Secret. */
export function credentialRules(policy: EffectivePolicy): readonly ClientTls[] {
  const rulesOf = ({ tls, portLevel }: TrafficPolicy): ClientTls[] => [
    ...(tls === undefined || tls.credentialName === '' ? [] : [tls]),
    ...[...(portLevel?.values() ?? [])].flatMap(rulesOf),
  ];
  return [policy.traffic, ...policy.subsets.map(({ traffic }) => traffic)].flatMap(rulesOf);
}

/** Whether a proxy may have the Secret that a rule asks for, and finds in it what it needs. */
export function hasCredential(
  model: MeshModel,
  view: ProxyView,
  policy: EffectivePolicy,
  rule: ClientTls,
): boolean {
  if (!mayHaveSecrets(view, policy)) return false;
  const { mode, credentialName, insecureSkipVerify } = rule;
  const secret = model.secrets.get(`${view.namespace}/${credentialName}`);
  if (mode === 'mutual' && secret?.certificate === undefined) return false;
  return insecureSkipVerify || authoritiesOf(model.secrets, view.namespace, credentialName) !== undefined;
}

const certificates = new WeakMap<TlsSecret, Secret>();
const authorities = new WeakMap<TlsSecret, Map<string, Secret>>();

/** The same object for the same Secret, which is therefore encoded once. */
function certificateSecret(secret: TlsSecret, name: string): Secret {
  let made = certificates.get(secret);
  if (made === undefined) {
    const { chain, key } = secret.certificate ?? {};
    made = {
      name: certificateResource(name),
      tlsCertificate: {
        certificateChain: { inlineBytes: bytesOf(chain?.reveal()) },
        privateKey: { inlineBytes: bytesOf(key?.reveal()) },
      },
    };
    certificates.set(secret, made);
  }
  return made;
}

/** Bounds: a Secret is found under at most two names. */
function authoritiesSecret(secret: TlsSecret, name: string): Secret {
  let byName = authorities.get(secret);
  if (byName === undefined) authorities.set(secret, (byName = new Map()));
  let made = byName.get(name);
  if (made === undefined) {
    made = {
      name: authoritiesResource(name),
      validationContext: {
        trustedCa: { inlineBytes: bytesOf(secret.authorities?.reveal()) },
        ...(secret.revocations === undefined
          ? {}
          : { crl: { inlineBytes: bytesOf(secret.revocations.reveal()) } }),
      },
    };
    byName.set(name, made);
  }
  return made;
}

function bytesOf(text = ''): Uint8Array {
  return Buffer.from(text, 'utf8');
}
