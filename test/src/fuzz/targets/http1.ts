import { Http1ClientUnderTest, requestHead, ServerCodecUnderTest } from '@heddle/data-plane/testing';
import type { FuzzTarget } from '../fuzz-target.js';
import { requestText, responseText } from './message-text.js';

const COMMON = [
  ...[
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\0',
    ' ',
    '\t',
    ':',
    ';',
    ',',
    '=',
    '"',
    '\x0b',
    '\x7f',
    '\xa0',
    '\xff',
  ],
  ...[
    '0',
    '1',
    '7',
    'f',
    'F',
    'x',
    '+',
    '-',
    '_',
    '0\r\n\r\n',
    '5\r\nabcde\r\n',
    'ffffffff',
    '10000000000000000',
  ],
  ...['Content-Length: 5', 'Content-Length: 0', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
  ...['chunked', 'gzip', 'Connection: close', 'Connection: keep-alive', 'Connection: x-a', 'Trailer: x-t'],
  ...[
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/2.0',
    'Upgrade: websocket',
    'Connection: upgrade',
    'Expect: 100-continue',
  ],
];
const OF_REQUESTS = [
  ...[
    'GET',
    'POST',
    'HEAD',
    'OPTIONS',
    'CONNECT',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'Host: a',
    'Host: b',
    'TE: trailers',
  ],
  ...[
    '/',
    '//',
    '*',
    'http://b/',
    'https://',
    '?',
    '#',
    '%00',
    '%2f',
    '/../',
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  ],
];
const OF_RESPONSES = [
  ...['HTTP/1.1 200 OK\r\n', 'HTTP/1.1 204 \r\n', 'HTTP/1.1 304 \r\n', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ...['HTTP/1.1 103 \r\n\r\n', 'HTTP/1.1 101 \r\n', '200', '999', '099'],
];
const CHUNKED_POST = Buffer.from(
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
  'latin1',
);
const CHUNKED_ANSWER = Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'latin1');

/** Ends a head or a line that is under way: what is wrong with it need not be said sooner. */
const LINE_ENDS = Buffer.from('\r\n\r\n', 'latin1');

function serve(
  parts: readonly Buffer[],
  config: ConstructorParameters<typeof ServerCodecUnderTest>[0] = {},
): string {
  const under = new ServerCodecUnderTest(config);
  for (const part of [...parts, LINE_ENDS]) under.codec.receive(part);
  const { requests, errors } = under.server;
  return [
    under.statuses.join(),
    under.socket.writableEnded ? 'closing' : 'open',
    ...errors.map(({ status, details }) => `${status} ${details}`),
    ...requests.map(requestText),
  ].join('\n    ');
}

function answered(parts: readonly Buffer[], method: string, upgrade = ''): string {
  const under = new Http1ClientUnderTest();
  const head = requestHead(method, '/', {}, upgrade);
  const { response } = under.ask(head);
  for (const part of [...parts, LINE_ENDS]) under.receive(part);
  return `${responseText(response)} ${under.codec.isReusable ? 'reusable' : 'spent'}`;
}

export const http1Targets: readonly FuzzTarget[] = [
  {
    name: 'http1-request',
    isStream: true,
    tokens: [...COMMON, ...OF_REQUESTS],
    run: (parts) => serve(parts),
  },
  {
    name: 'http1-request-lenient',
    isStream: true,
    tokens: [...COMMON, ...OF_REQUESTS],
    run: (parts) =>
      serve(parts, {
        acceptHttp10: true,
        allowChunkedLength: true,
        headersWithUnderscoresAction: 'drop-header',
      }),
  },
  {
    name: 'http1-chunked',
    isStream: true,
    tokens: COMMON,
    run: (parts) => {
      const up = serve([CHUNKED_POST, ...parts]);
      return `${up}\n    ${answered([CHUNKED_ANSWER, ...parts], 'GET')}`;
    },
  },
  {
    name: 'http1-response',
    isStream: true,
    tokens: [...COMMON, ...OF_RESPONSES],
    run: (parts) =>
      [answered(parts, 'GET'), answered(parts, 'HEAD'), answered(parts, 'GET', 'websocket')].join('\n    '),
  },
];
