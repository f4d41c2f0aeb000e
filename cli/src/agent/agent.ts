import { rmSync } from 'node:fs';
import { Server } from '@grpc/grpc-js';
import { WorkloadIdentity, type WorkloadIdentityOptions } from '@heddle/certs/client';
import { SecretService, servedCertificate, servedRoots, type ServedSecret } from '@heddle/certs/sds';
import { describeError, type Clock, type Logger, type Random } from '@heddle/common';
import { AdsRelay } from './ads-relay.js';
import { CertificateFiles } from './certificate-files.js';
import { bindPrivateSocket } from './private-socket.js';

export interface AgentOptions {
  readonly identity: Omit<WorkloadIdentityOptions, 'clock' | 'random' | 'log'>;
  /** Where heddled's xDS is; the authority's address unless it is elsewhere. */
  readonly xdsAddress: string;
  readonly socketPath: string;
  /** Where certificate, key and roots are kept as files; undefined: nowhere. */
  readonly certificateFolder: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** A proxy has one stream for each secret, or one for all. */
const MAX_SECRET_STREAMS = 64;

/**
 * Holds the identity of one workload for a proxy or program beside it, which need not know how certificates come about: on a
 * Unix socket it serves Envoy's SDS (`default` and `ROOTCA`) and passes ADS on to heddled.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #identity: WorkloadIdentity;
  readonly #secrets: SecretService<undefined>;
  readonly #server = new Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 });
  readonly #files: CertificateFiles | undefined;
  readonly #served = new Map<string, ServedSecret>();

  /** Errors: the roots cannot be read; others may enter the folder for the files. */
  constructor(options: AgentOptions) {
    this.#options = options;
    const { clock, random, log, certificateFolder } = options;
    this.#identity = new WorkloadIdentity({ ...options.identity, clock, random, log });
    this.#files = certificateFolder === undefined ? undefined : new CertificateFiles(certificateFolder);
    this.#secrets = new SecretService<undefined>({
      secretOf: (name) => this.#served.get(name),
      // Whoever can reach the socket is this user.
      authenticate: () => ({ ok: true, client: undefined }),
      clock,
      log,
      maxStreams: MAX_SECRET_STREAMS,
    });
    this.#identity.onCertificate(() => this.#onChange());
    this.#identity.trust.onChange(() => this.#onChange());
    this.#onChange();
  }

  /** Resolves when the socket is served; certificates come as soon as there are any. Errors: those of the socket. */
  async start(): Promise<void> {
    const { xdsAddress, socketPath, log } = this.#options;
    this.#secrets.register(this.#server);
    new AdsRelay({
      address: xdsAddress,
      security: () => this.#identity.security(),
      onUnauthenticated: () => this.#identity.noteRefusal(),
      log,
    }).register(this.#server);
    await bindPrivateSocket(this.#server, socketPath);
    this.#identity.start();
  }

  async stop(): Promise<void> {
    await this.#identity.stop();
    this.#server.forceShutdown();
    rmSync(this.#options.socketPath, { force: true });
  }

  #onChange(): void {
    const { certificate, trust } = this.#identity;
    const roots = servedRoots(trust.roots);
    this.#served.set(roots.name, roots);
    if (certificate !== undefined) {
      const served = servedCertificate(certificate);
      this.#served.set(served.name, served);
    }
    this.#secrets.changed();
    if (certificate === undefined || this.#files === undefined) return;
    try {
      this.#files.write({
        chainPem: certificate.chainPem,
        keyPem: certificate.privateKeyPem(),
        rootsPem: trust.pems.join(''),
      });
    } catch (error) {
      this.#options.log.error('the files of the certificate are stale', { error: describeError(error) });
    }
  }
}
