import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { forgeCertificate, forgeRoot, GeneralNameTag } from '@heddle/certs/testing';
import { eventually } from '../support/eventually.js';
import { findH2spec } from '../support/find-h2spec.js';
import { freePort } from '../support/free-port.js';
import { heddleProxy } from '../support/proxy-subjects.js';
import { RunningProgram } from '../support/running-program.js';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters';
const found = findH2spec();
const certificate = forgeCertificate({
  issuer: forgeRoot('root'),
  names: [{ tag: GeneralNameTag.dnsName, octets: Buffer.from('localhost') }],
});
const BODY = 'an answer with a body, which some cases take for granted';

/** What h2spec finds of the rules of RFC 9113 and RFC 7541, on one connection for each rule. */
describe('h2spec against heddle-proxy', { skip: 'missing' in found ? found.missing : false }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-h2spec-'));
  const http1: Server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end(BODY));
  });
  const http2: Http2Server = createHttp2Server();
  http2.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200 });
    stream.end(BODY);
  });
  const ports = { http1: 0, http2: 0, tls: 0 };
  let proxy: RunningProgram;

  before(async () => {
    await Promise.all(
      [http1, http2].map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))),
    );
    for (const name of ['http1', 'http2', 'tls'] as const) ports[name] = await freePort();
    const file = join(folder, 'bootstrap.json');
    writeFileSync(file, JSON.stringify(bootstrap()));
    proxy = heddleProxy().start(file, join(folder, 'state'));
    await eventually(
      () => isOpen(ports.tls),
      () => proxy.output,
    );
  });

  after(async () => {
    await proxy.stop();
    http1.close();
    http2.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [title, listener, options] of [
    ['in plain text, in front of an HTTP/2 server', 'http2', []],
    ['in plain text, in front of an HTTP/1.1 server', 'http1', []],
    ['over TLS, in front of an HTTP/2 server', 'tls', ['-t', '-k']],
  ] as const) {
    it(`finds nothing to complain of ${title}`, async () => {
      const path = 'path' in found ? found.path : '';
      const port = String(ports[listener]);
      const run = new RunningProgram(path, ['-h', '127.0.0.1', '-p', port, '-o', '10', ...options]);
      const { code } = await run.ended();
      assert.match(run.output, / 0 skipped, 0 failed/, run.output.slice(-4000));
      assert.equal(code, 0);
    });
  }

  function bootstrap(): object {
    return {
      node: { id: 'h2spec' },
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
      static_resources: {
        listeners: [
          listener('http1', ports.http1, 'http1'),
          listener('http2', ports.http2, 'http2'),
          listener('tls', ports.tls, 'http2', {
            name: 'envoy.transport_sockets.tls',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
              common_tls_context: {
                alpn_protocols: ['h2', 'http/1.1'],
                tls_certificates: [
                  {
                    certificate_chain: { inline_string: certificate.certificatePem },
                    private_key: { inline_string: certificate.keyPem },
                  },
                ],
              },
            },
          }),
        ],
        clusters: [
          cluster('http1', (http1.address() as AddressInfo).port, {}),
          cluster('http2', (http2.address() as AddressInfo).port, { http2_protocol_options: {} }),
        ],
      },
    };
  }
});

function listener(name: string, port: number, upstream: string, transportSocket?: object): object {
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: 'http',
            typed_config: {
              '@type': `${FILTERS}.network.http_connection_manager.v3.HttpConnectionManager`,
              stat_prefix: name,
              // With AUTO, what does not begin as HTTP/2 does is HTTP/1.1.
              codec_type: 'HTTP2',
              http_filters: [
                { name: 'router', typed_config: { '@type': `${FILTERS}.http.router.v3.Router` } },
              ],
              route_config: {
                virtual_hosts: [
                  {
                    name: 'all',
                    domains: ['*'],
                    routes: [{ match: { prefix: '/' }, route: { cluster: upstream } }],
                  },
                ],
              },
            },
          },
        ],
        ...(transportSocket === undefined ? {} : { transport_socket: transportSocket }),
      },
    ],
  };
}

function cluster(name: string, port: number, options: object): object {
  return {
    name,
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: [
            { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } },
          ],
        },
      ],
    },
    ...options,
  };
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.end();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
