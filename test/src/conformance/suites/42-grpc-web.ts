import type { UpstreamReply } from '../../support/recording-upstream.js';
import { accessLog } from '../attempts.js';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';
import type { Observation, RequestOptions } from '../row-context.js';

const WEB = 'application/grpc-web';
const TEXT = 'application/grpc-web-text';

function message(text: string, flags = 0): Buffer {
  const prefix = Buffer.from([flags, 0, 0, 0, text.length]);
  return Buffer.concat([prefix, Buffer.from(text)]);
}

/** A call; `accept` left out: the client does not say what it wants. */
function call(type: string, body: string | Buffer, accept?: string): RequestOptions {
  const headers: (readonly [string, string])[] = [['content-type', type]];
  if (accept !== undefined) headers.push(['accept', accept]);
  return { method: 'POST', headers, body };
}

/** An answer by gRPC over HTTP/1.1, one chunk for each part. */
function answer(
  parts: readonly Buffer[],
  head = 'Content-Type: application/grpc',
  status = 200,
): UpstreamReply {
  const chunks = parts.flatMap((part) => [
    Buffer.from(`${part.length.toString(16)}\r\n`),
    part,
    Buffer.from('\r\n'),
  ]);
  return {
    bytes: Buffer.concat([
      Buffer.from(`HTTP/1.1 ${status} OK\r\nTransfer-Encoding: chunked\r\n${head}\r\n\r\n`),
      ...chunks,
      Buffer.from('0\r\nGrpc-Status: 0\r\nGrpc-Message: all%20well\r\nX-More: yes\r\n\r\n'),
    ]),
  };
}

function row(
  title: string,
  options: RequestOptions,
  reply: UpstreamReply = answer([message('one')]),
  path = '/a.B/C',
): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      proxy.upstream('b1').replyWith(reply);
      const seen = JSON.stringify(await proxy.request(path, options));
      // The one difference in nearly every row: docs/differences.md#connection-te.
      return JSON.parse(seen.replaceAll('"connection":"te",', '')) as Observation;
    },
  };
}

const binary = call(WEB, message('hi'));
const text = call(TEXT, message('hi!').toString('base64'), TEXT);
const plain = (status: number, fields: string, body: string): UpstreamReply => ({
  bytes: `HTTP/1.1 ${status} OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`,
});

export const grpcWeb: ConformanceSuite = {
  file: '42-grpc-web',
  upstreams: ['b1'],
  rows: [
    ...[WEB, `${WEB}+proto`, TEXT, `${TEXT}+proto`].flatMap((type) =>
      [undefined, WEB, TEXT, `${TEXT}+proto`, '*/*'].map((accept) =>
        row(
          `${type}, wants ${accept ?? 'nothing'}`,
          call(type, type.startsWith(TEXT) ? message('hi').toString('base64') : message('hi'), accept),
        ),
      ),
    ),
    ...[
      'application/grpc',
      'application/grpc-web+json',
      'application/grpc-web;a=b',
      'Application/Grpc-Web',
      'text/plain',
    ].map((type) => row(`not gRPC-Web: ${type}`, call(type, message('hi')))),
    row(
      'messages in one chunk, as text',
      text,
      answer([Buffer.concat([message('one'), message('three'), message('')])]),
    ),
    row(
      'messages cut within, as text',
      text,
      answer([message('three').subarray(0, 3), message('three').subarray(3)]),
    ),
    row(
      'two messages to the server, as text',
      call(TEXT, Buffer.concat([message('hi'), message('hi')]).toString('base64')),
    ),
    row('parts that were encoded apart', call(TEXT, message('hi').toString('base64').repeat(2))),
    row('no message', call(WEB, '')),
    row('no message, as text', call(TEXT, '', TEXT)),
    row('no base64', call(TEXT, 'AAAA?AAA')),
    row('base64 with padding inside one group', call(TEXT, 'A=AA')),
    row('base64 with bits left over', call(TEXT, 'AB==')),
    row('base64 that is cut off', call(TEXT, 'AAAAA')),
    row('base64 that is cut off, wants text', call(TEXT, 'AAAAA', TEXT)),
    row('an encoding that is asked for', {
      ...binary,
      headers: [...(binary.headers ?? []), ['grpc-accept-encoding', 'gzip'], ['te', 'gzip']],
    }),
    row('a head alone', binary, plain(200, 'Content-Type: application/grpc\r\nGrpc-Status: 5\r\n', '')),
    row('a head alone that is no gRPC', binary, plain(200, 'Content-Type: text/plain\r\n', '')),
    row('an answer that is no gRPC', binary, plain(200, 'Content-Type: text/plain\r\n', 'plain: 100%\n')),
    row(
      'an answer that is no gRPC, wants text',
      text,
      plain(500, 'Content-Type: text/plain\r\n', 'broken ~ é'),
    ),
    row(
      'an answer that is no gRPC, with trailers',
      binary,
      answer([Buffer.from('plain')], 'Content-Type: text/plain'),
    ),
    row(
      'an answer by gRPC with another status',
      binary,
      answer([message('one')], 'Content-Type: application/grpc', 404),
    ),
    row(
      'an answer by gRPC-Web',
      binary,
      plain(200, 'Content-Type: application/grpc-web+proto;a=b\r\n', message('one').toString('latin1')),
    ),
    row('an answer without a type', binary, plain(200, '', 'untyped')),
    row(
      'a message without trailers',
      binary,
      plain(200, 'Content-Type: application/grpc\r\n', message('one').toString('latin1')),
    ),
    ...[binary, text].flatMap((options) =>
      ['/direct', '/empty', '/redirect', '/no-cluster', '/no-such-route'].map((path) =>
        row(`${path}, wants ${options === text ? 'text' : 'nothing'}`, options, undefined, path),
      ),
    ),
    row('an upstream that is silent', binary, {}),
    row(
      'a deadline of the client',
      { ...binary, headers: [...(binary.headers ?? []), ['grpc-timeout', '300m']] },
      {},
      '/timed',
    ),
    {
      title: 'what each of these is in the access log',
      observe: async (proxy) => (await accessLog(proxy)).filter((line) => !line.includes('at-the-end')),
    },
  ],
};
