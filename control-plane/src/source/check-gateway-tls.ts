import type { GatewaySpec, KubernetesGatewaySpec, ServerTlsSpec } from '../model/specs/gateways.js';
import type { SchemaProblem } from './validate-resource.js';

type Path = readonly (string | number)[];
type Server = GatewaySpec['servers'][number];

/** What the schema cannot say of the TLS of Istio's Gateway. Source: Istio's validateServer and validateTLSOptions. */
export function checkGatewayTls(spec: GatewaySpec): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  for (const [i, server] of spec.servers.entries()) {
    new ServerCheck(server, ['spec', 'servers', i], problems).check();
  }
  return problems;
}

const files = ['serverCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const;
const secrets = ['credentialName', 'credentialNames'] as const;
const ofClients = ['subjectAltNames', 'verifyCertificateSpki', 'verifyCertificateHash'] as const;

class ServerCheck {
  readonly #server: Server;
  readonly #path: Path;
  readonly #problems: SchemaProblem[];

  constructor(server: Server, path: Path, problems: SchemaProblem[]) {
    this.#server = server;
    this.#path = path;
    this.#problems = problems;
  }

  check(): void {
    const { tls } = this.#server;
    const protocol = this.#server.port.protocol.toUpperCase();
    if (protocol !== 'HTTPS' && protocol !== 'TLS') return this.#plain(protocol, tls);
    if (tls?.mode === undefined) {
      const at = tls === undefined ? this.#path : [...this.#path, 'tls'];
      return this.#say(at, `a server of protocol ${protocol} lacks "${tls === undefined ? 'tls' : 'mode'}"`, {
        expected: 'tls with a mode such as SIMPLE, and credentialName',
      });
    }
    const { mode } = tls;
    switch (mode) {
      case 'AUTO_PASSTHROUGH':
        this.#say(
          [...this.#path, 'tls', 'mode'],
          'gateways between networks (AUTO_PASSTHROUGH) are not built yet',
          {
            expected: 'PASSTHROUGH, with routes in the tls section of a VirtualService',
          },
        );
        return;
      case 'PASSTHROUGH':
        this.#exclude(
          tls,
          [...files, ...secrets, ...ofClients],
          'mode PASSTHROUGH, which reads nothing of TLS but the name',
        );
        return;
      case 'ISTIO_MUTUAL':
        this.#exclude(
          tls,
          [...files, ...secrets],
          'mode ISTIO_MUTUAL, which uses the identities of the mesh',
        );
        break;
      default:
        this.#credentials(tls, mode);
    }
    const { minProtocolVersion: least = '', maxProtocolVersion: most = '' } = tls;
    if (least === 'TLSV1_3' && most === 'TLSV1_2') {
      this.#say(
        [...this.#path, 'tls', 'maxProtocolVersion'],
        'maxProtocolVersion is lower than minProtocolVersion',
        {
          expected: 'TLSV1_3, or a lower minProtocolVersion',
        },
      );
    }
    if (tls.httpsRedirect === true) {
      this.#say(
        [...this.#path, 'tls', 'httpsRedirect'],
        `httpsRedirect has no effect on a server of protocol ${protocol}`,
        {
          expected: 'httpsRedirect at a server of protocol HTTP',
          severity: 'warning',
        },
      );
    }
  }

  #plain(protocol: string, tls: ServerTlsSpec | undefined): void {
    if (tls === undefined) return;
    const isHttp =
      protocol === 'HTTP' || protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'GRPC-WEB';
    const extra = Object.keys(tls).filter((field) => field !== 'httpsRedirect' || !isHttp);
    if (extra.length === 0) return;
    this.#say(
      [...this.#path, 'port', 'protocol'],
      `a server of protocol ${protocol} speaks plain text, but tls says ${extra.join(', ')}`,
      {
        expected: isHttp ? 'protocol HTTPS, or httpsRedirect alone' : 'protocol TLS, or no tls',
      },
    );
  }

  #credentials(tls: ServerTlsSpec, mode: string): void {
    const asksClients = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
    if (tls.credentialName !== undefined || tls.credentialNames !== undefined) {
      this.#exclude(tls, files, 'a Secret');
    } else {
      const own = ['serverCertificate', 'privateKey'] as const;
      const needed = asksClients ? ([...own, 'caCertificates'] as const) : own;
      for (const field of needed) {
        if (tls[field] !== undefined) continue;
        this.#say([...this.#path, 'tls', field], `mode ${mode} lacks "${field}"`, {
          expected: `credentialName, or the files ${needed.join(', ')}`,
        });
      }
    }
    if (asksClients) return;
    const fields =
      tls.credentialName === undefined && tls.credentialNames === undefined
        ? (['caCertificates', 'caCrl', ...ofClients] as const)
        : ofClients;
    this.#exclude(tls, fields, 'mode SIMPLE, which asks clients for no certificate');
  }

  #exclude(tls: ServerTlsSpec, fields: readonly (keyof ServerTlsSpec)[], what: string): void {
    for (const field of fields) {
      if (tls[field] === undefined) continue;
      this.#say([...this.#path, 'tls', field], `${field} does not go with ${what}`, {
        expected: `no ${field}`,
        at: 'key',
      });
    }
  }

  #say(path: Path, message: string, more: Omit<SchemaProblem, 'path' | 'message'>): void {
    this.#problems.push({ path, message, ...more });
  }
}

/** What the schema cannot say of the TLS of a Gateway of gateway.networking.k8s.io. */
export function checkKubernetesGatewayTls(spec: KubernetesGatewaySpec, namespace: string): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  for (const [i, { protocol, tls }] of spec.listeners.entries()) {
    const path: Path = ['spec', 'listeners', i];
    if (protocol === 'UDP' || protocol === 'TLS') {
      problems.push({
        path: [...path, 'protocol'],
        message: `protocol ${protocol} is not built yet at gateways of this kind`,
        expected: 'HTTP, HTTPS or TCP; TLS that is passed on by a Gateway of networking.istio.io',
      });
      continue;
    }
    if (protocol !== 'HTTPS') {
      if (tls === undefined) continue;
      const message = `a listener of protocol ${protocol} speaks plain text, but has tls`;
      problems.push({ path: [...path, 'protocol'], message, expected: 'protocol HTTPS, or no tls' });
      continue;
    }
    if (tls?.mode === 'Passthrough') {
      problems.push({
        path: [...path, 'tls', 'mode'],
        message: 'HTTPS is terminated here, and cannot be passed on as it is',
        expected: 'Terminate',
      });
    }
    if ((tls?.certificateRefs?.length ?? 0) === 0) {
      problems.push({
        path: [...path, 'tls'],
        message: `listeners[${i}] has no certificate`,
        expected: 'tls.certificateRefs with the name of a Secret',
      });
    }
    for (const [j, reference] of (tls?.certificateRefs ?? []).entries()) {
      if (reference.namespace === undefined || reference.namespace === namespace) continue;
      problems.push({
        path: [...path, 'tls', 'certificateRefs', j, 'namespace'],
        message: `the Secret is in namespace ${reference.namespace}, which would have to allow it by a ReferenceGrant; those are not built yet`,
        expected: `a Secret in namespace ${namespace}`,
      });
    }
  }
  return problems;
}
