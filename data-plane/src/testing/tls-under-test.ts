import { connect, createServer, type ConnectionOptions, type TLSSocket, type TlsOptions } from 'node:tls';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import type { Clock, Logger } from '@heddle/common';
import {
  forgeCertificate,
  forgeRoot,
  uriName,
  type ForgedCertificate,
  type ForgeOptions,
} from '@heddle/certs/testing';
import {
  HiddenText,
  NO_PEER_RULES,
  type DownstreamTlsConfig,
  type PeerRulesConfig,
  type SecretReferenceConfig,
  type SubjectAltNameMatchConfig,
  type UpstreamTlsConfig,
} from '@heddle/engine';
import type { StatsStore } from '../stats/stats-store.js';
import { createTlsTransports, type TlsTransportsOptions } from '../tls/create-tls-transports.js';
import { DataSources } from '../tls/data-sources.js';
import { InProcessSecrets } from '../tls/in-process-secrets.js';
import { SecretRegistry } from '../tls/secret-registry.js';
import type { CertificateSecret, TrustSecret } from '../tls/secret.js';
import type { TlsTransports } from '../tls/transport.js';

/** The identity of a service account of the trust domain `td`. */
export function identity(account: string): string {
  return `spiffe://td/ns/default/sa/${account}`;
}

/** The secrets of one proxy under test, and the TLS made of them. */
export class TestTls {
  readonly secrets = new InProcessSecrets(['default', 'ROOTCA', 'other']);
  readonly #options: Partial<TlsTransportsOptions>;

  constructor(options: Partial<TlsTransportsOptions> = {}) {
    this.#options = options;
  }

  /** Gives the proxy a certificate, and roots to trust. */
  use(certificate: ForgedCertificate | undefined, ...roots: readonly ForgedCertificate[]): this {
    if (certificate !== undefined) this.secrets.set('default', certificateSecret(certificate));
    if (roots.length > 0) this.secrets.set('ROOTCA', trustSecret(roots));
    return this;
  }

  transports(shared: {
    readonly clock: Clock;
    readonly log: Logger;
    readonly stats: StatsStore;
  }): TlsTransports {
    return createTlsTransports({
      ...shared,
      registry: new SecretRegistry({ inProcess: this.secrets }),
      sources: new DataSources({ clock: shared.clock, environment: () => undefined }),
      ...this.#options,
    });
  }
}

export function certificateSecret(certificate: ForgedCertificate): CertificateSecret {
  return {
    kind: 'certificate',
    chainPem: certificate.certificatePem,
    privateKey: new HiddenText(certificate.keyPem),
    password: undefined,
  };
}

export function trustSecret(
  roots: readonly ForgedCertificate[],
  rules: PeerRulesConfig = NO_PEER_RULES,
): TrustSecret {
  return { kind: 'trust', rootsPem: roots.map((root) => root.certificatePem).join(''), crlPem: '', rules };
}

/** A certificate for the workload of a service account, or whatever the options make of it. */
export function forgeWorkload(
  account: string,
  issuer: ForgedCertificate,
  options: ForgeOptions = {},
): ForgedCertificate {
  return forgeCertificate({ issuer, names: [uriName(identity(account))], ...options });
}

export function fetched(name: string): SecretReferenceConfig {
  return { name, source: { kind: 'ads' }, initialFetchTimeoutMs: 0 };
}

export function uriMatch(kind: 'exact' | 'prefix', value: string): SubjectAltNameMatchConfig {
  return { type: 'uri', matcher: { kind, value, ignoreCase: false } };
}

const COMMON = {
  kind: 'tls',
  parameters: {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    cipherSuites: [],
    curves: [],
    signatureAlgorithms: [],
  },
  certificates: [{ kind: 'fetched', secret: fetched('default') }],
  alpnProtocols: [],
} as const;

function validationBy(names: readonly SubjectAltNameMatchConfig[]): DownstreamTlsConfig['validation'] {
  return {
    given: {
      trustedCa: undefined,
      systemRoots: false,
      crl: undefined,
      rules: { ...NO_PEER_RULES, subjectAltNames: names },
    },
    fetched: fetched('ROOTCA'),
  };
}

/** Mutual TLS as a sidecar's server side has it. */
export function serverTls(
  config: Partial<DownstreamTlsConfig> = {},
  names = [uriMatch('prefix', 'spiffe://td/')],
): DownstreamTlsConfig {
  return {
    ...COMMON,
    validation: validationBy(names),
    requireClientCertificate: true,
    requireSni: false,
    sessionTimeoutMs: 0,
    statelessResumption: true,
    statefulResumption: true,
    ...config,
  };
}

/** Mutual TLS towards a service whose workloads are these. */
export function clientTls(config: Partial<UpstreamTlsConfig> = {}, accounts = ['server']): UpstreamTlsConfig {
  return {
    ...COMMON,
    validation: validationBy(accounts.map((account) => uriMatch('exact', identity(account)))),
    sni: 'outbound_.80_._.server',
    resumption: true,
    ...config,
  };
}

/** What a client of Node's own has come to. */
export interface ClientOutcome {
  /** What was read until the end. */
  readonly text: string;
  readonly error: string;
  readonly resumed: boolean;
  readonly alpn: string;
  readonly version: string;
  readonly session: Buffer | undefined;
  readonly peerUri: string;
}

/** Connects, writes `request`, and reads until the server ends or what was read satisfies `done`. */
export function askOverTls(
  port: number,
  options: ConnectionOptions,
  request = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
  done: (text: string) => boolean = () => false,
): Promise<ClientOutcome> {
  return new Promise((resolve) => {
    let text = '';
    let error = '';
    let session: Buffer | undefined;
    let facts = { resumed: false, alpn: '', version: '', peerUri: '' };
    const socket = connect({
      host: '127.0.0.1',
      port,
      checkServerIdentity: () => undefined,
      ...options,
    });
    socket.on('session', (found: Buffer) => (session = found));
    socket.once('secureConnect', () => {
      facts = {
        resumed: socket.isSessionReused(),
        alpn: socket.alpnProtocol === false ? '' : (socket.alpnProtocol ?? ''),
        version: socket.getProtocol() ?? '',
        peerUri: socket.getPeerX509Certificate()?.subjectAltName ?? '',
      };
      socket.write(request);
    });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (done(text)) socket.destroy();
    });
    socket.on('end', () => socket.end());
    socket.on('error', (thrown: NodeJS.ErrnoException) => (error = thrown.code ?? thrown.message));
    socket.on('close', () => resolve({ text, error, session, ...facts }));
  });
}

/** What node:tls takes of a forged certificate. */
export function materialOf(certificate: ForgedCertificate | undefined): { cert?: string; key?: string } {
  return certificate === undefined ? {} : { cert: certificate.certificatePem, key: certificate.keyPem };
}

/** A TLS server of Node's own: calls `onSocket` with each connection. */
export async function startTlsServer(
  options: TlsOptions,
  onSocket: (socket: TLSSocket) => void,
): Promise<{ readonly port: number; readonly handshakes: () => number; close(): Promise<void> }> {
  let handshakes = 0;
  const sockets = new Set<TLSSocket>();
  const server = createServer(options, (socket) => {
    handshakes++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    handshakes: () => handshakes,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** The first bytes of a client of Node's own. */
export function realClientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = createTcpServer((socket) => {
      socket.once('data', (chunk: Buffer) => {
        socket.destroy();
        server.close();
        resolve(chunk);
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      connect({
        port,
        host: '127.0.0.1',
        servername: 'Shop.Example',
        ALPNProtocols: ['h2', 'http/1.1'],
      }).on('error', () => undefined);
    });
  });
}

export { forgeCertificate, forgeRoot, uriName, type ForgedCertificate, type ForgeOptions };
