import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ServerCodecUnderTest } from '../../testing/server-codec-under-test.js';

const tokenChars = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-!#$%&*+.^|~'.split('');
const valueChars = 'abc XYZ019;=,"\t\xe9\xff'.split('');
const pathChars = 'abz019/._-%?=&:@!~'.split('');

const text = (chars: readonly string[], minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...chars), { minLength, maxLength }).map((list) => list.join(''));

interface ValidRequest {
  readonly bytes: string;
  readonly dispatched: string;
}

/** Any valid request, with what must come of it. */
const validRequest: fc.Arbitrary<ValidRequest> = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH'),
    path: text(pathChars, 0, 40),
    fields: fc.array(fc.tuple(text(tokenChars, 1, 12), text(valueChars, 0, 30)), { maxLength: 8 }),
    chunks: fc.array(text(valueChars, 1, 50), { maxLength: 4 }),
    framing: fc.constantFrom('none', 'length', 'chunked'),
    extension: text('abc=;'.split(''), 0, 5),
    trailer: fc.boolean(),
  })
  .map(({ method, path, fields, chunks, framing, extension, trailer }) => {
    let head = `${method} /${path} HTTP/1.1\r\nHost: a\r\n`;
    const seen: string[] = [];
    fields.forEach(([name, value], i) => {
      // Numbered, so that no name is one with a meaning.
      head += `x${i}${name}: ${value}\r\n`;
      seen.push(`x${i}${name}`.toLowerCase() + '=' + value.replace(/^[ \t]+|[ \t]+$/g, ''));
    });
    const body = framing === 'none' ? '' : chunks.join('');
    let bytes = head;
    if (framing === 'length') {
      bytes += `Content-Length: ${body.length}\r\n\r\n${body}`;
      seen.push(`content-length=${body.length}`);
    } else if (framing === 'chunked') {
      bytes += 'Transfer-Encoding: chunked\r\n\r\n';
      for (const chunk of chunks)
        bytes += `${chunk.length.toString(16)}${extension && `;${extension}`}\r\n${chunk}\r\n`;
      bytes += trailer ? '0\r\nX-T: 1\r\n\r\n' : '0\r\n\r\n';
    } else {
      bytes += '\r\n';
    }
    const trailers = framing === 'chunked' && trailer ? 'x-t=1' : '';
    return { bytes, dispatched: `${method} /${path} ${seen.join('|')} [${body}] ${trailers}` };
  });

function dispatchedBy(under: ServerCodecUnderTest): string[] {
  return under.server.requests
    .filter((request) => request.ended)
    .map(({ head, body, trailers }) => {
      const fields = head?.headers.names.map((name, i) => `${name}=${head.headers.values[i]}`) ?? [];
      const trailing = trailers?.names.map((name, i) => `${name}=${trailers.values[i]}`) ?? [];
      return `${head?.method} ${head?.path} ${fields.join('|')} [${body.toString('latin1')}] ${trailing.join('|')}`;
    });
}

/** Delivers the bytes in pieces of the given sizes, over and over. */
function receiveInPieces(under: ServerCodecUnderTest, bytes: string, sizes: readonly number[]): void {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number;
    under.receive(bytes.slice(at, at + size));
    at += size;
  }
}

describe('reading requests', () => {
  it('gives the same requests however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(validRequest, { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        (requests, sizes, lends) => {
          const under = new ServerCodecUnderTest();
          under.lends = lends;
          receiveInPieces(under, requests.map((request) => request.bytes).join(''), sizes);
          assert.deepEqual(
            dispatchedBy(under),
            requests.map((request) => request.dispatched),
          );
        },
      ),
      { numRuns: 400 },
    );
  });

  it('gives the same requests for every single cut', () => {
    const requests = fc.sample(validRequest, { numRuns: 12, seed: 7 });
    const bytes = requests.map((request) => request.bytes).join('');
    const expected = requests.map((request) => request.dispatched);
    for (let cut = 1; cut < bytes.length; cut++) {
      const under = new ServerCodecUnderTest();
      under.lends = cut % 2 === 0;
      under.receive(bytes.slice(0, cut));
      under.receive(bytes.slice(cut));
      assert.deepEqual(dispatchedBy(under), expected, `cut at ${cut}`);
    }
  });

  it('never throws, and answers nothing but what it refuses, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 50 }), (bytes, size) => {
        const under = new ServerCodecUnderTest();
        under.lends = size % 2 === 0;
        receiveInPieces(under, Buffer.from(bytes).toString('latin1'), [size]);
        assert.ok(under.statuses.every((status) => status === 200 || (status >= 400 && status <= 501)));
      }),
      { numRuns: 500 },
    );
  });
});

/** A change to one place of some bytes. */
const mutation = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('replace', 'insert', 'remove', 'double'),
  by: fc.constantFrom(
    '\r',
    '\n',
    '\r\n',
    '\0',
    ' ',
    '\t',
    ':',
    ';',
    ',',
    '0',
    '1',
    'f',
    'x',
    '\x0b',
    '\x7f',
    '\xa0',
    '#',
    '_',
  ),
});

function mutate(bytes: string, change: { at: number; kind: string; by: string }): string {
  const at = change.at % bytes.length;
  if (change.kind === 'insert') return bytes.slice(0, at) + change.by + bytes.slice(at);
  if (change.kind === 'remove') return bytes.slice(0, at) + bytes.slice(at + 1);
  if (change.kind === 'double') return bytes.slice(0, at + 1) + bytes.slice(at);
  return bytes.slice(0, at) + change.by + bytes.slice(at + 1);
}

/** What the strict parser of node:http makes of some bytes. */
class StrictParser {
  readonly #server: Server;
  #seen: string[] = [];

  constructor() {
    this.#server = createServer(
      { insecureHTTPParser: false, requireHostHeader: false },
      (request, response) => {
        this.#collect(request, () => response.writeHead(200, { 'content-length': 0 }).end());
      },
    );
    this.#server.on('checkContinue', (request: IncomingMessage, response) =>
      this.#server.emit('request', request, response),
    );
    this.#server.on('clientError', (_error, socket) => socket.destroy());
    this.#server.on('upgrade', (_request, socket) => socket.destroy());
    this.#server.on('connect', (_request, socket) => socket.destroy());
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** `method [body]` of each complete request. */
  async parse(bytes: string): Promise<string[]> {
    this.#seen = [];
    const socket = connect((this.#server.address() as AddressInfo).port, '127.0.0.1');
    await new Promise<void>((resolve) => {
      socket.on('close', () => resolve());
      socket.on('error', () => undefined);
      socket.resume();
      socket.end(Buffer.from(bytes, 'latin1'));
    });
    return this.#seen;
  }

  #collect(request: IncomingMessage, done: () => void): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      this.#seen.push(`${request.method} ${request.url} [${Buffer.concat(chunks).toString('latin1')}]`);
      done();
    });
  }
}

describe('reading damaged requests', () => {
  const strict = new StrictParser();
  before(() => strict.start());
  after(() => strict.stop());

  it('never frames them otherwise than another strict parser', async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(validRequest, { minLength: 1, maxLength: 2 }),
        fc.array(mutation, { minLength: 1, maxLength: 2 }),
        async (requests, changes) => {
          const bytes = changes.reduce(mutate, requests.map((request) => request.bytes).join(''));
          const under = new ServerCodecUnderTest();
          under.receive(bytes);
          const ours = under.server.requests
            .filter((request) => request.ended)
            .map(({ head, body }) => `${head?.method} ${head?.path} [${body.toString('latin1')}]`);
          // A request that only one of the two takes is a difference in strictness, not in framing; what both take
          // must be the same, in the same order.
          const theirs = await strict.parse(bytes);
          const both = Math.min(ours.length, theirs.length);
          compared += both;
          assert.deepEqual(ours.slice(0, both), theirs.slice(0, both), JSON.stringify(bytes));
        },
      ),
      { numRuns: 400 },
    );
    assert.ok(compared > 50, `only ${compared} requests were compared`);
  });
});
