import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.js';
import { HeaderMap } from './header-map.js';
import { InternalAddresses } from './internal-addresses.js';
import type { RequestHead } from './message-head.js';
import { normalizeRequest, prepareRequestHeaders, type PreparedStream } from './prepare-request.js';

function requestHead(
  method: string,
  path: string,
  fields: Readonly<Record<string, string>> = {},
): RequestHead {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  return { method, scheme: 'http', authority: 'a', path, headers, version: 'HTTP/1.1', upgrade: '' };
}

function state(request: RequestHead): PreparedStream {
  return {
    protocol: request.version,
    connectionInfo: { remoteIp: '192.0.2.9', localAddress: '10.0.0.1:8080', tls: undefined },
    trustedClientIp: '',
    requestId: '',
    trustsEnvoyHeaders: false,
  };
}

function manager(config: Partial<HttpConnectionManagerConfig>): HttpConnectionManagerConfig {
  return {
    pathWithEscapedSlashesAction: 'keep-unchanged',
    normalizePath: false,
    mergeSlashes: false,
    stripAnyHostPort: false,
    stripMatchingHostPort: false,
    stripTrailingHostDot: false,
    defaultHostForHttp10: '',
    useRemoteAddress: false,
    xffNumTrustedHops: 0,
    skipXffAppend: false,
    via: '',
    ...config,
  } as HttpConnectionManagerConfig;
}

describe('a request before the filters', () => {
  it('loses the port of its host only where the listener has the same, if that is asked for', () => {
    for (const [config, host, expected] of [
      [{ stripMatchingHostPort: true }, 'a.example:8080', 'a.example'],
      [{ stripMatchingHostPort: true }, 'a.example:80', 'a.example:80'],
      [{ stripMatchingHostPort: true }, 'a.example:080', 'a.example:080'],
      [{ stripMatchingHostPort: true }, 'a.example', 'a.example'],
      [{ stripMatchingHostPort: true }, '[::1]:8080', '[::1]'],
      [{ stripAnyHostPort: true }, 'a.example:80', 'a.example'],
      [{}, 'a.example:8080', 'a.example:8080'],
    ] as const) {
      const head = requestHead('GET', '/');
      head.authority = host;
      assert.equal(normalizeRequest(head, state(head), manager(config)), undefined);
      assert.equal(head.authority, expected, `${JSON.stringify(config)} ${host}`);
    }
  });

  it('gets the default host where it is of HTTP/1.0 and has none, and is refused otherwise', () => {
    for (const [version, defaultHostForHttp10, expected] of [
      ['HTTP/1.0', 'old.example', 'old.example'],
      ['HTTP/1.0', '', 400],
      ['HTTP/1.1', 'old.example', 400],
    ] as const) {
      const head = Object.assign(requestHead('GET', '/'), { version, authority: '' });
      const refused = normalizeRequest(head, state(head), manager({ defaultHostForHttp10 }));
      assert.equal(refused?.status ?? head.authority, expected);
    }
  });

  it('is internal where the one address that it came by is, and may ask for what others may not', () => {
    const addresses = new InternalAddresses({
      unixSockets: true,
      ranges: [{ address: '192.0.2.0', prefixLength: 24 }],
    });
    const unix = { remoteIp: '', localAddress: '' };
    const outside = { remoteIp: '198.51.100.1', localAddress: '10.0.0.1:8080' };
    // A socket whose client is gone already has no address either.
    const gone = { remoteIp: '', localAddress: '10.0.0.1:8080' };
    for (const [useRemoteAddress, forwardedFor, peer, expected] of [
      [true, undefined, undefined, true],
      [true, undefined, unix, true],
      [true, undefined, outside, false],
      [true, undefined, gone, false],
      [true, '192.0.2.1', undefined, false],
      [false, undefined, undefined, false],
      [false, '192.0.2.1', outside, true],
      [false, '192.0.2.1,192.0.2.2', undefined, false],
      [false, '::ffff:192.0.2.1', undefined, false],
      [false, 'unknown', undefined, false],
      [false, '', unix, false],
    ] as const) {
      const what = JSON.stringify([useRemoteAddress, forwardedFor, peer]);
      const head = requestHead('GET', '/', {
        'x-envoy-retry-on': '5xx',
        'x-envoy-internal': 'maybe',
        'x-ours': '1',
      });
      if (forwardedFor !== undefined) head.headers.append('x-forwarded-for', forwardedFor);
      const info = state(head);
      if (peer !== undefined) Object.assign(info.connectionInfo, peer);
      prepareRequestHeaders(head, info, manager({ useRemoteAddress }), ['x-ours'], addresses);
      assert.equal(info.trustsEnvoyHeaders, expected, what);
      assert.equal(head.headers.get('x-envoy-internal'), expected ? 'true' : undefined, what);
      for (const name of ['x-envoy-retry-on', 'x-ours']) assert.equal(head.headers.has(name), expected, what);
      assert.equal(head.headers.has('x-envoy-external-address'), useRemoteAddress && !expected, what);
    }
  });

  it('brings no x-forwarded-client-cert of the client, at the edge or behind it', () => {
    for (const useRemoteAddress of [true, false]) {
      const head = requestHead('GET', '/', { 'x-forwarded-client-cert': 'URI=spiffe://a/b' });
      head.headers.append('x-forwarded-client-cert', 'URI=spiffe://c/d');
      prepareRequestHeaders(head, state(head), manager({ useRemoteAddress }), []);
      assert.equal(head.headers.has('x-forwarded-client-cert'), false);
    }
  });
});
