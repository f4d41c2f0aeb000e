import { closestName } from '@heddle/common';
import { authoritiesOf } from './build-secrets.js';
import { hostMatches, resolveHost } from './hostname.js';
import type { Endpoint, GatewayConfig, GatewayServer, MeshModel } from './mesh-model.js';
import type { FieldPath, MeshResource } from './mesh-resource.js';
import { peerModeAt, peerModesOf } from './peer-authentication.js';
import type { ClientTlsSpec, DestinationRuleSpec, TrafficPolicySpec } from './specs/destination-rule.js';
import { problemAt, type ProblemWording, type SourceProblem } from './source-problem.js';

/**
 * Names what callers and the called say differently about TLS, and certificates that are not there. All are warnings: what is
 * missing may arrive a moment later.
 */
export function checkTls(
  model: MeshModel,
  resources: readonly MeshResource[],
  problems: SourceProblem[],
): void {
  const check = new TlsCheck(model, problems);
  for (const resource of resources) {
    if (resource.kind === 'DestinationRule') check.destinationRule(resource);
    else if (resource.kind === 'Gateway' || resource.kind === 'KubernetesGateway') check.gateway(resource);
  }
}

class TlsCheck {
  readonly #model: MeshModel;
  readonly #problems: SourceProblem[];
  /** Server names of each port of gateways that the same proxies may serve, and whose they are. */
  readonly #names = new Map<string, GatewayServer & { readonly gateway: string }>();

  constructor(model: MeshModel, problems: SourceProblem[]) {
    this.#model = model;
    this.#problems = problems;
  }

  destinationRule(resource: MeshResource): void {
    const spec = resource.spec as DestinationRuleSpec;
    const host = resolveHost(spec.host, resource.namespace);
    this.#policy(resource, host, spec.trafficPolicy, ['spec', 'trafficPolicy'], {});
    for (const [i, { labels = {}, trafficPolicy }] of (spec.subsets ?? []).entries()) {
      this.#policy(resource, host, trafficPolicy, ['spec', 'subsets', i, 'trafficPolicy'], labels);
    }
  }

  #policy(
    resource: MeshResource,
    host: string,
    policy: TrafficPolicySpec | undefined,
    path: FieldPath,
    labels: Readonly<Record<string, string>>,
  ): void {
    if (policy?.tls !== undefined)
      this.#clientTls(resource, host, policy.tls, [...path, 'tls'], labels, undefined);
    for (const [i, { tls, port }] of (policy?.portLevelSettings ?? []).entries()) {
      if (tls === undefined) continue;
      this.#clientTls(resource, host, tls, [...path, 'portLevelSettings', i, 'tls'], labels, port.number);
    }
  }

  #clientTls(
    resource: MeshResource,
    host: string,
    tls: ClientTlsSpec,
    path: FieldPath,
    labels: Readonly<Record<string, string>>,
    port: number | undefined,
  ): void {
    if (tls.credentialName !== undefined)
      this.#credential(resource, tls.credentialName, [...path, 'credentialName']);
    const isMutual = tls.mode === 'ISTIO_MUTUAL';
    for (const [name, services] of this.#model.servicesByHost) {
      if (!hostMatches(host, name)) continue;
      for (const { ports, endpoints, external } of services) {
        if (external) continue;
        const asked = port === undefined ? ports.map(({ number }) => number) : [port];
        const chosen = endpoints.filter((endpoint) =>
          Object.entries(labels).every(([label, value]) => endpoint.labels[label] === value),
        );
        const against = chosen.flatMap((endpoint) => this.#contradiction(endpoint, asked, isMutual));
        const [first] = against;
        if (first === undefined) continue;
        this.#warn(resource, [...path, 'mode'], {
          message: `mode ${tls.mode} does not go with ${first}: those calls to ${name} fail`,
          expected: isMutual
            ? 'no tls, or a PeerAuthentication that takes mutual TLS'
            : 'mode ISTIO_MUTUAL, no tls, or a PeerAuthentication with mode PERMISSIVE',
        });
        return;
      }
    }
  }

  /** What an endpoint demands that a rule does not do, in words. */
  #contradiction(endpoint: Endpoint, ports: readonly number[], isMutual: boolean): string[] {
    const modes = peerModesOf(this.#model.peerAuthentications, endpoint);
    const who = `workload ${endpoint.namespace}/${endpoint.workloadName}`;
    if (isMutual && !endpoint.mtls) return [`${who}, which has no identity of the mesh`];
    for (const port of ports) {
      const application = endpoint.applicationPorts[port];
      if (application === undefined) continue;
      const mode = peerModeAt(modes, application);
      if (isMutual && mode === 'disable')
        return [`${who}, whose PeerAuthentication is DISABLE at port ${application}`];
      if (!isMutual && endpoint.mtls && mode === 'strict')
        return [`${who}, whose PeerAuthentication is STRICT at port ${application}`];
    }
    return [];
  }

  /** A rule is for sidecars as well, which get no Secrets unless it is for them by their labels. */
  #credential(resource: MeshResource, name: string, path: FieldPath): void {
    const isSelected = (resource.spec as DestinationRuleSpec).workloadSelector !== undefined;
    const known = [...this.#model.secrets.values()].filter(
      (secret) => secret.name === name && (!isSelected || secret.namespace === resource.namespace),
    );
    if (known.length === 0) this.#noSecret(resource, path, name, undefined);
    else if (!isSelected) {
      this.#warn(resource, path, {
        message:
          'without a workloadSelector, Secrets come to gateways alone: calls of sidecars under this rule are answered 503',
        expected: 'workloadSelector, or files (clientCertificate, privateKey, caCertificates)',
      });
    }
  }

  gateway(resource: MeshResource): void {
    const gateway = this.#model.gateways.get(`${resource.namespace}/${resource.name}`);
    // Of two kinds with one name the other is in force.
    if (gateway === undefined || gateway.anyNamespace !== (resource.kind === 'Gateway')) return;
    for (const [i, server] of gateway.servers.entries()) {
      const path: FieldPath = resource.kind === 'Gateway' ? ['spec', 'servers', i] : ['spec', 'listeners', i];
      this.#certificates(resource, gateway, server, path);
      this.#serverNames(resource, gateway, server, path);
    }
  }

  #certificates(
    resource: MeshResource,
    gateway: GatewayConfig,
    server: GatewayServer,
    path: FieldPath,
  ): void {
    const { tls } = server;
    if (tls === undefined || tls.mode === 'passthrough' || tls.mode === 'istio-mutual') return;
    for (const [j, name] of tls.credentialNames.entries()) {
      const at = certificatePath(resource, path, j, tls.credentialNames.length);
      const secret = this.#model.secrets.get(`${gateway.namespace}/${name}`);
      if (secret === undefined) {
        this.#noSecret(resource, at, name, gateway);
        continue;
      }
      if (secret.certificate === undefined) {
        this.#warn(resource, at, {
          message: `Secret ${gateway.namespace}/${name} holds no certificate with its key: clients of this server are turned away`,
          expected: 'a Secret with tls.crt and tls.key',
        });
      }
      const asksClients = tls.mode === 'mutual' || tls.mode === 'optional-mutual';
      if (
        j === 0 &&
        asksClients &&
        authoritiesOf(this.#model.secrets, gateway.namespace, name) === undefined
      ) {
        this.#warn(resource, at, {
          message: `nothing says by which authorities clients are checked, so they are turned away`,
          expected: `ca.crt in Secret ${name}, or in one named ${name}-cacert`,
        });
      }
    }
  }

  #serverNames(resource: MeshResource, gateway: GatewayConfig, server: GatewayServer, path: FieldPath): void {
    if (server.tls === undefined || server.tls.mode === 'passthrough') return;
    for (const [k, { host }] of server.hosts.entries()) {
      const place = `${JSON.stringify(gateway.selector)} ${server.port} ${host}`;
      const winner = this.#names.get(place);
      if (winner === undefined) this.#names.set(place, { ...server, gateway: gateway.key });
      else {
        this.#warn(resource, resource.kind === 'Gateway' ? [...path, 'hosts', k] : [...path, 'hostname'], {
          message: `server ${winner.name} of Gateway ${winner.gateway} has the name ${host} on port ${server.port} already; this one is not in force for it`,
          expected: 'each name once on a port that speaks TLS',
        });
      }
    }
  }

  #noSecret(resource: MeshResource, path: FieldPath, name: string, gateway: GatewayConfig | undefined): void {
    const secrets = [...this.#model.secrets.values()];
    const elsewhere = secrets.find((secret) => secret.name === name);
    const expected = 'the name of a Secret in the namespace of the proxies that serve the gateway';
    if (elsewhere !== undefined && gateway?.anyNamespace === true) {
      const { namespace } = elsewhere;
      this.#warn(resource, path, {
        message: `Secret ${name} is in namespace ${namespace}: proxies of this Gateway in any other turn clients away`,
        expected,
      });
      return;
    }
    const near = secrets.filter(({ namespace }) => gateway === undefined || namespace === gateway.namespace);
    this.#warn(resource, path, {
      message:
        gateway === undefined
          ? `there is no Secret ${name}: calls under this rule are answered 503`
          : `there is no Secret ${gateway.namespace}/${name}: clients of this server are turned away`,
      expected,
      suggestion: closestName(
        name,
        near.map((secret) => secret.name),
      ),
    });
  }

  #warn(resource: MeshResource, path: FieldPath, wording: ProblemWording): void {
    this.#problems.push(problemAt(resource, path, { ...wording, severity: 'warning' }));
  }
}

function certificatePath(resource: MeshResource, path: FieldPath, j: number, count: number): FieldPath {
  if (resource.kind === 'KubernetesGateway') return [...path, 'tls', 'certificateRefs', j, 'name'];
  return count > 1 ? [...path, 'tls', 'credentialNames', j] : [...path, 'tls', 'credentialName'];
}
