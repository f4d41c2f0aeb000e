import { Agent, request as askHttp1, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import { formatBodyRequest, type BodyRequest } from './body-request.js';
import { readPattern, writePattern } from './pattern.js';

/** Sends bodies to one port. */
export interface BodyClient {
  /** Resolves with what was wrong; undefined: nothing. Rejects when it broke off. */
  send(request: BodyRequest): Promise<string | undefined>;
  close(): void;
}

const MOST_HTTP1_CONNECTIONS = 16;
/** Of every other body the length is not said. */
const framing = ({ bytes, seed }: BodyRequest): Record<string, string> =>
  seed % 2 === 0 ? { 'content-length': String(bytes) } : {};

export function http1Client(port: number): BodyClient {
  const agent = new Agent({ keepAlive: true, maxSockets: MOST_HTTP1_CONNECTIONS });
  return {
    send: (wanted) => {
      const path = formatBodyRequest(wanted);
      const sends = wanted.direction !== 'download';
      const request = askHttp1({
        ...{ host: '127.0.0.1', port, path, agent, method: sends ? 'POST' : 'GET' },
        headers: sends ? framing(wanted) : {},
      });
      const answer = new Promise<Readable>((resolve, reject) => {
        request.once('response', (response: IncomingMessage) => {
          if (response.statusCode === 200) resolve(response);
          else reject(new Error(`${response.statusCode}`));
        });
        request.once('error', reject);
      });
      return exchange(wanted, request, answer);
    },
    close: () => agent.destroy(),
  };
}

export function http2Client(port: number): BodyClient {
  const session: ClientHttp2Session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  return {
    send: (wanted) => {
      const sends = wanted.direction !== 'download';
      const stream = session.request(
        {
          ':method': sends ? 'POST' : 'GET',
          ':path': formatBodyRequest(wanted),
          ...(sends ? framing(wanted) : {}),
        },
        { endStream: !sends },
      );
      const answer = new Promise<Readable>((resolve, reject) => {
        stream.once('response', (head) => {
          if (head[':status'] === 200) resolve(stream);
          else reject(new Error(`${head[':status']}`));
        });
        stream.once('error', reject);
        stream.once('close', () => reject(new Error('it was closed without an answer')));
      });
      return exchange(wanted, stream, answer);
    },
    close: () => session.destroy(),
  };
}

export function tcpClient(port: number): BodyClient {
  return {
    send: (wanted) => {
      const socket: Duplex = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      socket.write(`${formatBodyRequest(wanted)}\n`);
      return exchange(wanted, socket, Promise.resolve(socket)).finally(() => socket.destroy());
    },
    close: () => undefined,
  };
}

async function exchange(
  wanted: BodyRequest,
  to: Writable,
  answer: Promise<Readable>,
): Promise<string | undefined> {
  const { direction, bytes, seed, clientPace } = wanted;
  // An upload is read by the other side: to read slowly is not for this one.
  const write = async (): Promise<void> => {
    if (direction !== 'download') await writePattern(to, seed, bytes, clientPace);
    to.end();
  };
  const read = async (): Promise<string | undefined> => {
    const from = await answer;
    if (direction !== 'upload') return readPattern(from, seed, bytes, clientPace);
    let text = '';
    for await (const chunk of from as AsyncIterable<Buffer>) text += chunk.toString('latin1');
    return text === 'ok' ? undefined : `the server says: ${text}`;
  };
  const [, problem] = await Promise.all([write(), read()]);
  return problem;
}
