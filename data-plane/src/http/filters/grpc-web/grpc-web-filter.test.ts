import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { IncomingHttpHeaders as Http2Headers, ServerHttp2Stream } from 'node:http2';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { grpcWebFilter } from '@heddle/engine';
import { startHttp2Backend } from '../../../testing/http2-peers.js';
import {
  clusterConfig,
  endpoint,
  forwardRoute,
  listenerConfig,
  managerConfig,
  routeConfig,
  ROUTER,
  TestProxy,
} from '../../../testing/proxy-under-test.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: readonly string[];
}

describe('a client by gRPC-Web', () => {
  let proxy: TestProxy;
  let backend: Awaited<ReturnType<typeof startHttp2Backend>>;
  let answer: (stream: ServerHttp2Stream, body: Buffer) => void;
  let seen: { headers: Http2Headers; body: Buffer } | undefined;

  beforeEach(async () => {
    seen = undefined;
    proxy = new TestProxy();
    backend = await startHttp2Backend((stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        // The proxy gives up what turns out to be broken.
        if (stream.aborted || stream.destroyed) return;
        seen = { headers, body: Buffer.concat(chunks) };
        answer(stream, seen.body);
      });
    });
    const cluster = clusterConfig('c', [endpoint(backend.port)]);
    proxy.clusters.apply([{ ...cluster, protocol: { ...cluster.protocol, codec: 'http2' } }], []);
    const { name, typeUrl } = grpcWebFilter;
    const httpFilters = [{ name, typeUrl, config: {}, disabled: false }, ROUTER];
    const routes = routeConfig([forwardRoute('/shop.Shop/', 'c')]);
    const config = managerConfig(routes, { httpFilters, accessLogs: [proxy.accessLog()] });
    assert.deepEqual(await proxy.listeners.apply([listenerConfig(config)], []), []);
  });

  afterEach(async () => {
    await proxy.close();
    await backend.close();
  });

  function call(
    body: Buffer | string,
    headers: Record<string, string>,
    path = '/shop.Shop/Buy',
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        port: proxy.port(),
        agent: false,
        method: 'POST',
        path,
        headers,
        maxHeaderSize: 65_536,
      });
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
            trailers: response.rawTrailers,
          }),
        );
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  const grpcAnswer =
    (...messages: readonly Buffer[]) =>
    (stream: ServerHttp2Stream): void => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }));
      for (const message of messages) stream.write(message);
      stream.end();
    };

  it('is served by a server that speaks gRPC, and gets the trailers as the end of the body', async () => {
    answer = grpcAnswer(message('sold'));
    const { status, headers, body, trailers } = await call(message('apple'), {
      'content-type': 'application/grpc-web+proto',
      accept: '*/*',
    });
    assert.equal(seen?.headers['content-type'], 'application/grpc');
    assert.equal(seen.headers['te'], 'trailers');
    assert.equal(seen.headers['content-length'], undefined);
    assert.deepEqual(seen.body, message('apple'));
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/grpc-web+proto');
    assert.deepEqual(body, Buffer.concat([message('sold'), TRAILERS]));
    assert.deepEqual(trailers, []);
  });

  it('may write and read base64', async () => {
    answer = grpcAnswer(message('one'), message('two'));
    const text = message('apple').toString('base64');
    const { headers, body } = await call(text, {
      'content-type': 'application/grpc-web-text',
      accept: 'application/grpc-web-text',
    });
    assert.deepEqual(seen?.body, message('apple'));
    assert.equal(headers['content-type'], 'application/grpc-web-text+proto');
    const parts = [message('one'), message('two'), TRAILERS];
    assert.equal(body.toString(), parts.map((part) => part.toString('base64')).join(''));
  });

  it('gets large messages whole', async () => {
    const large = message('x'.repeat(300_001));
    answer = (stream, body) => grpcAnswer(body)(stream);
    const { body } = await call(large.toString('base64'), {
      'content-type': 'application/grpc-web-text+proto',
      accept: 'application/grpc-web-text+proto',
    });
    assert.ok(body.equals(Buffer.from(large.toString('base64') + TRAILERS.toString('base64'))));
  });

  it('gets the outcome in the head where there is no body', async () => {
    answer = (stream) =>
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' },
        { endStream: true },
      );
    const { headers, body } = await call(message('apple'), { 'content-type': 'application/grpc-web' });
    assert.equal(headers['content-type'], 'application/grpc-web+proto');
    assert.equal(headers['grpc-status'], '5');
    assert.equal(body.length, 0);
  });

  it('is told in the head what a server that speaks no gRPC answered, as far as it is short', async () => {
    answer = (stream) => {
      stream.respond({ ':status': 429, 'content-type': 'text/html', 'content-length': '40000' });
      stream.end(`slow down: 100%\n${'x'.repeat(39_984)}`);
    };
    const { status, headers, body } = await call(message('apple'), {
      'content-type': 'application/grpc-web',
    });
    assert.equal(status, 429);
    assert.equal(headers['grpc-status'], '14');
    assert.match(String(headers['grpc-message']), /^slow down: 100%25%0Ax+$/);
    assert.equal(decodeURIComponent(String(headers['grpc-message'])).length, 16_384);
    assert.equal(headers['content-type'], 'application/grpc-web+proto');
    assert.equal(body.length, 0);
  });

  it('is answered by the proxy itself in the same way', async () => {
    const { status, headers } = await call(
      message('a'),
      { 'content-type': 'application/grpc-web' },
      '/other',
    );
    assert.equal(status, 404);
    assert.equal(headers['content-type'], 'application/grpc-web+proto');
  });

  it('is refused where its base64 is none, or cut off', async () => {
    for (const [text, details] of [
      ['AAAA?AAA', 'grpc_base_64_decode_failed'],
      ['AAAAA', 'grpc_base_64_decode_failed_bad_size'],
    ] as const) {
      const { status, headers } = await call(text, { 'content-type': 'application/grpc-web-text' });
      assert.equal(status, 400);
      assert.equal(headers['grpc-status'], '13');
      assert.equal(headers['grpc-message'], 'Bad gRPC-web request, invalid base64 data.');
      const line = (await proxy.logLines()).at(-1);
      assert.equal(line?.['response_code_details'], details);
    }
  });

  it('is no other client: those are served as they are', async () => {
    answer = grpcAnswer(message('sold'));
    const { headers, body } = await call(message('apple'), { 'content-type': 'application/grpc' });
    assert.equal(headers['content-type'], 'application/grpc');
    assert.deepEqual(body, message('sold'));
  });
});

function message(text: string): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(text.length, 1);
  return Buffer.concat([prefix, Buffer.from(text)]);
}

const TRAILERS = ((lines: string): Buffer => {
  const prefix = Buffer.from([0x80, 0, 0, 0, lines.length]);
  return Buffer.concat([prefix, Buffer.from(lines)]);
})('grpc-status:0\r\ngrpc-message:fine\r\n');
