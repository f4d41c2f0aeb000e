import {
  status,
  type Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { Clock, Logger, Timer } from '@heddle/common';
import { sdsService, typeUrls, type envoy } from '@heddle/xds-protos';
import { SecretSession } from './secret-session.js';
import type { ServedSecret } from './served-secret.js';

type SotwRequest = envoy.service.discovery.v3.DiscoveryRequest;
type DeltaRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;
type SecretCall = ServerDuplexStream<SotwRequest | DeltaRequest, object>;
type FetchCall = ServerUnaryCall<SotwRequest, object>;

/** What of a call tells who asks. */
export type AskingCall = Pick<SecretCall, 'metadata' | 'getAuthContext' | 'getPeer'>;

export interface SecretServiceOptions<Client> {
  /** What is served under a name now. Whoever may not have it must not get this far. */
  readonly secretOf: (name: string) => ServedSecret | undefined;
  /** Who asks, or why it gets nothing. */
  readonly authenticate: (
    call: AskingCall,
  ) => { readonly ok: true; readonly client: Client } | { readonly ok: false; readonly detail: string };
  /** When a client has to prove again who it is, ms since the epoch: its streams end then. Default: never. */
  readonly provenUntilMs?: (client: Client) => number;
  /** A stream has ended. */
  readonly onEnd?: (stream: SecretStream<Client>) => void;
  readonly clock: Clock;
  readonly log: Logger;
  /** Streams above this are refused with RESOURCE_EXHAUSTED. Default 10,000. */
  readonly maxStreams?: number;
}

/** One open stream. */
export interface SecretStream<Client> {
  readonly client: Client;
  /** Empty before the first request, and where the client does not tell. */
  readonly nodeId: string;
  readonly peer: string;
  /** Wall clock, ms. */
  readonly connectedAtMs: number;
  /** The versions that it took, by name. */
  readonly acked: ReadonlyMap<string, string>;
}

interface OpenStream<Client> {
  readonly client: Client;
  readonly peer: string;
  nodeId: string;
  readonly connectedAtMs: number;
  readonly session: SecretSession;
}

/**
 * Serves secrets over gRPC, with every change of them.
 *
 * Source: envoy.service.secret.v3.SecretDiscoveryService.
 */
export class SecretService<Client> {
  readonly #options: SecretServiceOptions<Client>;
  readonly #streams = new Map<SecretCall, OpenStream<Client>>();

  constructor(options: SecretServiceOptions<Client>) {
    this.#options = options;
  }

  /** Adds the service to a gRPC server. */
  register(server: Server): void {
    server.addService(sdsService, {
      StreamSecrets: (call: SecretCall) => this.#serve(call, 'sotw'),
      DeltaSecrets: (call: SecretCall) => this.#serve(call, 'delta'),
      FetchSecrets: (call: FetchCall, callback: sendUnaryData<object>) => this.#fetch(call, callback),
    });
  }

  /** Some secret changed: whoever asked for it is sent it. */
  changed(): void {
    for (const { session } of this.#streams.values()) session.push();
  }

  /** Every open stream, oldest first. */
  streams(): readonly SecretStream<Client>[] {
    return [...this.#streams.values()].map(describe);
  }

  /** Ends the streams of the clients that `isOver` chooses; they may connect again. */
  endStreams(isOver: (client: Client) => boolean, reason: string): void {
    for (const [call, { client }] of this.#streams)
      if (isOver(client)) refuse(call, status.UNAUTHENTICATED, reason);
  }

  #serve(call: SecretCall, variant: 'sotw' | 'delta'): void {
    const { clock, log, maxStreams = 10_000, secretOf } = this.#options;
    const verdict = this.#options.authenticate(call);
    if (!verdict.ok) return refuse(call, status.UNAUTHENTICATED, verdict.detail);
    if (this.#streams.size >= maxStreams) {
      return refuse(call, status.RESOURCE_EXHAUSTED, 'too many streams are open');
    }
    const session = new SecretSession({
      variant,
      secretOf,
      // A client that reads nothing holds up its own answers only: there is one under way.
      write: (response) => void call.write(response),
      refuse: (reason) => refuse(call, status.INVALID_ARGUMENT, reason),
      onNack: (message) =>
        log.warn('a secret was refused', { peer: stream.peer, node: stream.nodeId, message }),
    });
    const stream: OpenStream<Client> = {
      client: verdict.client,
      peer: call.getPeer(),
      nodeId: '',
      connectedAtMs: clock.nowMs(),
      session,
    };
    this.#streams.set(call, stream);
    const expiry = this.#endWithProof(call, verdict.client);
    const end = (): void => {
      if (!this.#streams.delete(call)) return;
      session.close();
      expiry?.cancel();
      this.#options.onEnd?.(describe(stream));
    };
    call.on('data', (request: SotwRequest | DeltaRequest) => {
      if (request.node !== null) stream.nodeId = request.node.id.slice(0, 1024);
      if (variant === 'sotw') session.onSotwRequest(request as SotwRequest);
      else session.onDeltaRequest(request as DeltaRequest);
    });
    call.on('end', () => {
      end();
      call.end();
    });
    for (const event of ['error', 'close', 'cancelled']) call.on(event, end);
  }

  #endWithProof(call: SecretCall, client: Client): Timer | undefined {
    const { clock, provenUntilMs } = this.#options;
    if (provenUntilMs === undefined) return undefined;
    return clock.setTimer(Math.max(0, provenUntilMs(client) - clock.nowMs()), () =>
      refuse(call, status.UNAUTHENTICATED, 'what proved who you are has expired: connect again'),
    );
  }

  #fetch(call: FetchCall, callback: sendUnaryData<object>): void {
    const verdict = this.#options.authenticate(call);
    if (!verdict.ok) {
      callback({ code: status.UNAUTHENTICATED, details: verdict.detail });
      return;
    }
    const typeUrl = typeUrls.secret;
    const found = call.request.resourceNames
      .slice(0, 64)
      .map((name) => this.#options.secretOf(name))
      .filter((secret) => secret !== undefined);
    callback(null, {
      versionInfo: found.map(({ version }) => version).join('+'),
      typeUrl,
      resources: found.map(({ bytes }) => ({ typeUrl, value: bytes })),
    });
  }
}

function describe<Client>(stream: OpenStream<Client>): SecretStream<Client> {
  const { client, nodeId, peer, connectedAtMs, session } = stream;
  return { client, nodeId, peer, connectedAtMs, acked: session.acked };
}

function refuse(call: SecretCall, code: status, details: string): void {
  call.emit('error', { code, details });
}
