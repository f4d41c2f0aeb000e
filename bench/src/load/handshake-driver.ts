// A process of its own that opens, or accepts, TLS connections one after the other.
import net from 'node:net';
import tls from 'node:tls';
import { quantile } from '../report/statistics.js';
import { answerCommands } from './answer-commands.js';
import { clientTls, serverTls } from './bench-certificates.js';
import type { HandshakeCommand, HandshakeReport } from './handshake-protocol.js';

const PATIENCE_MS = 20_000;
/** What is sent, and comes back. */
const PING = '.';

class HandshakeDriver {
  /** Of the server, since the last command that counts. */
  #served = { completed: 0, resumed: 0 };
  #probe: Probe | undefined;
  /** Of connections that ended; the newest are offered first. */
  readonly #sessions: Buffer[] = [];

  async handle(command: HandshakeCommand): Promise<HandshakeReport> {
    switch (command.kind) {
      case 'tls-clients': {
        const { count, concurrency, port, resume } = command;
        const options = { ...clientTls(command.certificates), port, host: '127.0.0.1' };
        return many(count, concurrency, () => oneTlsClient(options, resume ? this.#sessions : undefined));
      }
      case 'serve-tls':
        return { ...NOTHING, port: await this.#serve(command.certificates) };
      case 'tcp-clients': {
        this.#served = { completed: 0, resumed: 0 };
        const report = await many(command.count, command.concurrency, () => oneTcpClient(command.port));
        const { completed, resumed } = this.#served;
        // A connection counts when both its ends say so.
        return { ...report, completed: Math.min(report.completed, completed), resumed };
      }
      case 'probe':
        this.#probe = await Probe.start(command.port, command.certificates, command.everyMs);
        return NOTHING;
      case 'stop-probe':
        return this.#probe?.stop() ?? NOTHING;
    }
  }

  #serve(certificates: string): Promise<number> {
    const server = tls.createServer({ ...serverTls(certificates), ALPNProtocols: ['istio'] }, (socket) => {
      this.#served.completed++;
      if (socket.isSessionReused()) this.#served.resumed++;
      socket.on('data', (chunk) => socket.write(chunk));
      socket.on('end', () => socket.end());
      socket.on('error', () => socket.destroy());
    });
    return new Promise((resolve) => {
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
        resolve((server.address() as net.AddressInfo).port),
      );
    });
  }
}

const NOTHING: HandshakeReport = {
  port: 0,
  completed: 0,
  resumed: 0,
  failed: 0,
  firstFailure: undefined,
  elapsedMs: 0,
  p99Ms: 0,
  maxMs: 0,
};

/** Runs `one` so many times, so many at a time; it resolves with whether a session was resumed. */
async function many(
  count: number,
  concurrency: number,
  one: () => Promise<boolean>,
): Promise<HandshakeReport> {
  let left = count;
  let completed = 0;
  let resumed = 0;
  let failed = 0;
  let firstFailure: string | undefined;
  const startMs = performance.now();
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      try {
        if (await one()) resumed++;
        completed++;
      } catch (error) {
        failed++;
        firstFailure ??= String(error);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { ...NOTHING, completed, resumed, failed, firstFailure, elapsedMs: performance.now() - startMs };
}

function oneTlsClient(options: tls.ConnectionOptions, sessions: Buffer[] | undefined): Promise<boolean> {
  const session = sessions?.pop();
  // Offered again unless the server gives a newer one: not every server renews a session that it resumed.
  let next = session;
  const socket = tls.connect(session === undefined ? options : { ...options, session });
  socket.on('session', (fresh: Buffer) => (next = fresh));
  let isResumed = false;
  socket.once('secureConnect', () => (isResumed = socket.isSessionReused()));
  return untilEchoed(socket, 'secureConnect').then(() => {
    if (next !== undefined) sessions?.push(next);
    return isResumed;
  });
}

function oneTcpClient(port: number): Promise<boolean> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  return untilEchoed(socket, 'connect').then(() => false);
}

/** Writes when connected, ends when that comes back; resolves when the connection is closed. */
function untilEchoed(socket: net.Socket, connected: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = '';
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error(`nothing for ${PATIENCE_MS} ms`)));
    socket.once(connected, () => socket.write(PING));
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      // Whoever waits for the other side here waits for its lingering too.
      if (answer === PING) socket.end();
    });
    socket.once('error', reject);
    socket.once('close', () => {
      if (answer === PING) resolve();
      else reject(new Error(`answered ${JSON.stringify(answer.slice(0, 100))}`));
    });
  });
}

/** One connection that is there before the storm: what its requests wait is what the storm costs others. */
class Probe {
  readonly #socket: tls.TLSSocket;
  readonly #latenciesMs: number[] = [];
  readonly #everyMs: number;
  #stopping: (() => void) | undefined;
  #failure: string | undefined;

  private constructor(socket: tls.TLSSocket, everyMs: number) {
    this.#socket = socket;
    this.#everyMs = everyMs;
    socket.on('error', (error) => (this.#failure ??= error.message));
    void this.#run();
  }

  static async start(port: number, certificates: string, everyMs: number): Promise<Probe> {
    const socket = tls.connect({ ...clientTls(certificates), port, host: '127.0.0.1' });
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    return new Probe(socket, everyMs);
  }

  async stop(): Promise<HandshakeReport> {
    await new Promise<void>((resolve) => (this.#stopping = resolve));
    this.#socket.destroy();
    const sorted = Float64Array.from(this.#latenciesMs).sort();
    return {
      ...NOTHING,
      completed: sorted.length,
      failed: this.#failure === undefined ? 0 : 1,
      firstFailure: this.#failure,
      p99Ms: quantile(sorted, 0.99),
      maxMs: sorted.at(-1) ?? 0,
    };
  }

  async #run(): Promise<void> {
    while (this.#stopping === undefined && this.#failure === undefined) {
      const startMs = performance.now();
      this.#socket.write(PING);
      const answered = await new Promise<boolean>((resolve) => {
        this.#socket.once('data', () => resolve(true));
        this.#socket.once('close', () => resolve(false));
      });
      if (!answered) this.#failure ??= 'the probing connection was closed';
      this.#socket.removeAllListeners('close');
      this.#latenciesMs.push(performance.now() - startMs);
      await new Promise((resolve) => setTimeout(resolve, this.#everyMs));
    }
    // Only `stop` sets it, and it may come after a failure.
    while (this.#stopping === undefined) await new Promise((resolve) => setTimeout(resolve, this.#everyMs));
    this.#stopping();
  }
}

const driver = new HandshakeDriver();
answerCommands((command: HandshakeCommand) => driver.handle(command));
