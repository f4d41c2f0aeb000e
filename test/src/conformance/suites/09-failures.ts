import { readFile } from 'node:fs/promises';
import { eventually } from '../../support/eventually.js';
import type { ConformanceSuite } from '../conformance-suite.js';

export const failures: ConformanceSuite = {
  file: '09-failures',
  upstreams: ['b1'],
  rows: [
    {
      title: 'an upstream that is too slow',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({});
        return proxy.request('/slow');
      },
    },
    {
      title: 'one attempt that is too slow',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({});
        return proxy.request('/per-try');
      },
    },
    {
      title: 'a caller that sets its own timeout is not believed at the edge alone',
      observe: (proxy) => proxy.request('/ok', { headers: [['x-envoy-upstream-rq-timeout-ms', '10000']] }),
    },
    { title: 'a cluster that is not there', observe: (proxy) => proxy.request('/nowhere') },
    {
      title: 'a cluster that is not there, answered 404',
      observe: (proxy) => proxy.request('/not-found-404'),
    },
    {
      title: 'a cluster by header',
      observe: (proxy) => proxy.request('/header-cluster', { headers: [['x-cluster', 'b1']] }),
    },
    {
      title: 'a cluster by header that is not there',
      observe: (proxy) => proxy.request('/header-cluster', { headers: [['x-cluster', 'none']] }),
    },
    { title: 'a cluster by a header that is missing', observe: (proxy) => proxy.request('/header-cluster') },
    { title: 'a cluster without endpoints', observe: (proxy) => proxy.request('/empty') },
    {
      title: 'HEAD to a cluster without endpoints',
      observe: (proxy) => proxy.request('/empty', { method: 'HEAD' }),
    },
    {
      title: 'gRPC to a cluster without endpoints',
      observe: (proxy) =>
        proxy.request('/empty', {
          method: 'POST',
          headers: [['content-type', 'application/grpc']],
          body: '',
        }),
    },
    { title: 'a connection refused', observe: (proxy) => proxy.request('/closed') },
    {
      title: 'a connection closed before an answer',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({ then: 'end' });
        // POST: a GET on a connection that was used before is sent again by heddle-proxy.
        return proxy.request('/ok/closed-before', { method: 'POST', body: 'once' });
      },
    },
    {
      title: 'a connection reset before an answer',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({ then: 'reset' });
        return proxy.request('/ok/reset-before', { method: 'POST', body: 'once' });
      },
    },
    {
      title: 'a connection closed within the head',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({ bytes: 'HTTP/1.1 200 OK\r\nContent-', then: 'end' });
        return proxy.request('/ok/within-head');
      },
    },
    {
      title: 'a connection closed within the body',
      observe: (proxy) => {
        proxy
          .upstream('b1')
          .replyWith({ bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', then: 'end' });
        return proxy.request('/ok/within-body');
      },
    },
    {
      title: 'a connection closed within a chunked body',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({
          bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
          then: 'end',
        });
        return proxy.request('/ok/within-chunks');
      },
    },
    ...[
      ['not HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
      ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
      ['a space before the colon', 'HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n'],
      ['two different lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'],
      [
        'length and chunks',
        'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      ],
      ['a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n'],
      ['NUL in a value', 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n'],
      ['a bare line feed', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
      ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'],
      [
        '101 without an upgrade',
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
      ],
      ['bad chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ].map(
      ([what = '', bytes = '']) =>
        ({
          title: `an answer with ${what}`,
          observe: (proxy) => {
            proxy.upstream('b1').replyWith({ bytes: Buffer.from(bytes, 'latin1'), then: 'end' });
            return proxy.request(`/ok/${what.replaceAll(' ', '-')}`);
          },
        }) satisfies ConformanceSuite['rows'][number],
    ),
    {
      title: 'an answer without a length that ends with the connection',
      observe: (proxy) => {
        proxy.upstream('b1').replyWith({ bytes: 'HTTP/1.1 200 OK\r\n\r\nuntil the end', then: 'end' });
        return proxy.request('/ok/until-end');
      },
    },
    {
      title: 'an answer of HTTP/1.0',
      observe: (proxy) => {
        proxy
          .upstream('b1')
          .replyWith({ bytes: 'HTTP/1.0 200 Fine\r\nContent-Length: 3\r\n\r\nold', then: 'end' });
        return proxy.request('/ok/http10');
      },
    },
    {
      title: 'a GET on a connection that was closed while it was idle',
      observe: async (proxy) => {
        await proxy.exchange('/ok/before');
        proxy.received();
        proxy.upstream('b1').replyWith({ then: 'end' });
        return proxy.request('/ok/closed-while-idle');
      },
    },
    {
      title: 'what each of these is in the access log',
      observe: async (proxy) => {
        const marker = '/no-such-route-at-the-end';
        await proxy.exchange(marker);
        let text = '';
        await eventually(
          async () => (text = await readFile(proxy.logFile, 'utf8')).includes(marker),
          () => `no line of the last request in ${text}`,
        );
        return text
          .trim()
          .split('\n')
          .map((line) => proxy.normalised(line));
      },
    },
  ],
};
