import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { Client, Metadata, credentials, type ServiceError } from '@grpc/grpc-js';
import { certificateService } from '@heddle/xds-protos';
import { TOKEN } from './mesh-folder.js';

/** How a client proves who it is. */
export interface Proof {
  readonly token?: string;
  readonly certificate?: { readonly key: string; readonly cert: string };
}

export interface CaTarget {
  readonly xdsTlsPort: number;
  readonly rootsFile: string;
}

/** Channel credentials and metadata of a proof. */
export function proofFor(
  target: Pick<CaTarget, 'rootsFile'>,
  proof: Proof,
): { readonly credentials: ReturnType<typeof credentials.createSsl>; readonly metadata: Metadata } {
  const metadata = new Metadata();
  if (proof.token !== undefined) metadata.set('authorization', `Bearer ${proof.token}`);
  const { key, cert } = proof.certificate ?? {};
  return {
    metadata,
    credentials: credentials.createSsl(
      readFileSync(target.rootsFile),
      key === undefined ? null : Buffer.from(key),
      cert === undefined ? null : Buffer.from(cert),
    ),
  };
}

/** A connection to the authority. */
export class CaClient {
  readonly #client: Client;
  readonly #metadata: Metadata;

  constructor(target: CaTarget, proof: Proof) {
    const { credentials: channel, metadata } = proofFor(target, proof);
    this.#metadata = metadata;
    this.#client = new Client(`127.0.0.1:${target.xdsTlsPort}`, channel, {
      'grpc.use_local_subchannel_pool': 1,
      // An address is no server name of TLS, which newer Nodes insist on.
      'grpc.ssl_target_name_override': 'localhost',
    });
  }

  /** Errors: rejects with what gRPC says. */
  create(csr: string, validityDuration = 0): Promise<readonly string[]> {
    const { path, requestSerialize, responseDeserialize } = certificateService.CreateCertificate;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize as (message: object) => Buffer,
        responseDeserialize,
        { csr, validityDuration },
        this.#metadata,
        { deadline: Date.now() + 10_000 },
        (error: ServiceError | null, response) => {
          if (error === null) resolve(response?.certChain ?? []);
          else reject(error);
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}

/** Asks the authority over a connection of its own. Errors: rejects with what gRPC says. */
export function createCertificate(
  target: CaTarget,
  csr: string,
  proof: Proof,
  validitySeconds = 0,
): Promise<readonly string[]> {
  const client = new CaClient(target, proof);
  return client.create(csr, validitySeconds).finally(() => client.close());
}

/** Calls the API, with the token for writes. */
export function callApi(
  apiPort: number,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const sent = request(
      { host: '127.0.0.1', port: apiPort, method, path, headers, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** A join token for a service account. */
export async function joinToken(
  apiPort: number,
  namespace: string,
  serviceAccount: string,
  ttlSeconds = 3_600,
): Promise<{ readonly token: string; readonly id: string }> {
  const { status, text } = await callApi(apiPort, 'POST', '/api/v1/ca/tokens', {
    namespace,
    serviceAccount,
    ttlSeconds,
  });
  if (status !== 200) throw new Error(`no token: ${text}`);
  return JSON.parse(text) as { token: string; id: string };
}
