import { createHash } from 'node:crypto';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { CERTIFICATE_SECRET, ROOTS_SECRET, SecretService, type ServedSecret } from '@heddle/certs/sds';
import { forgeCertificate, uriName, type ForgedCertificate } from '@heddle/certs/testing';
import { silentLogger, systemClock } from '@heddle/common';
import { envoy } from '@heddle/xds-protos';

const { Secret } = envoy.extensions.transport_sockets.tls.v3;

/** What stands beside a proxy and gives it the certificate of one workload, over SDS in plain text. */
export class WorkloadAgent {
  readonly port: number;
  readonly #server: Server;

  /** Errors: none that a test expects. */
  static async start(root: ForgedCertificate, spiffeId: string): Promise<WorkloadAgent> {
    const { certificatePem, keyPem } = forgeCertificate({ issuer: root, names: [uriName(spiffeId)] });
    const secrets = new Map<string, ServedSecret>([
      [
        CERTIFICATE_SECRET,
        served(CERTIFICATE_SECRET, {
          tlsCertificate: {
            certificateChain: { inlineBytes: Buffer.from(certificatePem) },
            privateKey: { inlineBytes: Buffer.from(keyPem) },
          },
        }),
      ],
      [
        ROOTS_SECRET,
        served(ROOTS_SECRET, {
          validationContext: { trustedCa: { inlineBytes: Buffer.from(root.certificatePem) } },
        }),
      ],
    ]);
    const service = new SecretService({
      secretOf: (name) => secrets.get(name),
      authenticate: () => ({ ok: true, client: undefined }),
      clock: systemClock,
      log: silentLogger,
    });
    const server = new Server();
    service.register(server);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return new WorkloadAgent(server, port);
  }

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  close(): void {
    this.#server.forceShutdown();
  }
}

function served(name: string, content: envoy.extensions.transport_sockets.tls.v3.ISecret): ServedSecret {
  const bytes = Buffer.from(Secret.encode({ name, ...content }).finish());
  return { name, version: createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes };
}
