import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';

const PIECE = Buffer.alloc(256 * 1024, 0x79);

function sessionOf(port: number): ClientHttp2Session {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  return session;
}

/** Resolves with the bytes of the body; rejects where the answer is no 200. */
function answerOf(stream: ClientHttp2Stream): Promise<number> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let bytes = 0;
    stream.on('response', (headers) => (status = headers[':status'] ?? 0));
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
    stream.on('error', reject);
    stream.on('close', () => {
      if (status === 200) resolve(bytes);
      else reject(new Error(`answered ${status}`));
    });
  });
}

/** So many connections that asked once and stay, until what is returned is called. */
export async function idleHttp2(port: number, count: number): Promise<() => void> {
  const sessions: ClientHttp2Session[] = [];
  for (let i = 0; i < count; i++) {
    const session = sessionOf(port);
    sessions.push(session);
    await answerOf(session.request({ ':path': '/' }));
  }
  return () => {
    for (const session of sessions) session.destroy();
  };
}

/** Streams of one connection whose reader takes nothing for a while, and then everything. */
export async function stalledStreams(
  port: number,
  streams: number,
  bytes: number,
  ms: number,
): Promise<void> {
  const session = sessionOf(port);
  try {
    const answers = Array.from({ length: streams }, async () => {
      const stream = session.request({ ':path': `/large?bytes=${bytes}` });
      const answer = answerOf(stream);
      stream.pause();
      await new Promise((resolve) => setTimeout(resolve, ms));
      stream.resume();
      const read = await answer;
      if (read !== bytes) throw new Error(`${read} of ${bytes} bytes came`);
    });
    await Promise.all(answers);
  } finally {
    session.destroy();
  }
}

/** Uploads side by side on one connection. */
export async function uploads(port: number, streams: number, bytes: number): Promise<void> {
  const session = sessionOf(port);
  try {
    await Promise.all(
      Array.from({ length: streams }, async () => {
        const stream = session.request({ ':method': 'POST', ':path': '/', 'content-length': bytes });
        const answer = answerOf(stream);
        for (let left = bytes; left > 0 && !stream.destroyed; left -= PIECE.length) {
          const piece = left >= PIECE.length ? PIECE : PIECE.subarray(0, left);
          if (!stream.write(piece)) await Promise.race([once(stream, 'drain'), answer]);
        }
        stream.end();
        await answer;
      }),
    );
  } finally {
    session.destroy();
  }
}

/** Requests on few connections, each with many streams one after the other. */
export async function manyStreams(port: number, connections: number, requests: number): Promise<void> {
  let begun = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const session = sessionOf(port);
      while (begun++ < requests) await answerOf(session.request({ ':path': '/' }));
      session.destroy();
    }),
  );
}
