import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.js';
import { HeaderMap } from './header-map.js';
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

  it('brings no x-forwarded-client-cert of the client, at the edge or behind it', () => {
    for (const useRemoteAddress of [true, false]) {
      const head = requestHead('GET', '/', { 'x-forwarded-client-cert': 'URI=spiffe://a/b' });
      head.headers.append('x-forwarded-client-cert', 'URI=spiffe://c/d');
      prepareRequestHeaders(head, state(head), manager({ useRemoteAddress }), []);
      assert.equal(head.headers.has('x-forwarded-client-cert'), false);
    }
  });
});
