import assert from 'node:assert/strict';
import { GrpcMessages } from '@heddle/data-plane/testing';
import {
  normalizeRequest,
  parseGrpcTimeout,
  parseJwks,
  parseJwt,
  type HttpConnectionManagerConfig,
} from '@heddle/engine';
import { requestHead } from '@heddle/data-plane/testing';
import type { FuzzTarget } from '../fuzz-target.js';

/** What a gateway makes of paths before policies and routes see them. */
const GATEWAY = {
  normalizePath: true,
  mergeSlashes: true,
  pathWithEscapedSlashesAction: 'unescape-and-forward',
  stripAnyHostPort: true,
  stripTrailingHostDot: true,
  defaultHostForHttp10: '',
} as HttpConnectionManagerConfig;
const STREAM = {
  protocol: 'HTTP/1.1',
  connectionInfo: { remoteIp: '127.0.0.1', localAddress: '127.0.0.1:80', tls: undefined },
} as Parameters<typeof normalizeRequest>[1];

function normalized(path: string): string | undefined {
  const head = requestHead('GET', path);
  return normalizeRequest(head, STREAM, GATEWAY) === undefined ? head.path : undefined;
}

export const requestFactTargets: readonly FuzzTarget[] = [
  {
    name: 'path',
    isStream: false,
    tokens: [
      '/',
      '//',
      '/.',
      '/..',
      '/../',
      '%2e',
      '%2E%2e',
      '%2f',
      '%5c',
      '\\',
      '%',
      '%25',
      '%00',
      '%2',
      ';x=y',
      '?',
      '/?/../',
    ],
    run: ([bytes = Buffer.alloc(0)]) => {
      const path = `/${bytes.toString('latin1').replace(/[\0-\x20#\x7f-\xff]/g, '')}`;
      const once = normalized(path);
      if (once === undefined) return 'refused';
      const before = once.split('?')[0] ?? '';
      assert.ok(!/\/\/|\\|\/\.\.?(?:\/|$)/.test(before), `${path} became ${once}`);
      // What comes out is in its one form: a policy that reads it again reads the same.
      if (!before.includes('%')) assert.equal(normalized(once), once);
      return once;
    },
  },
  {
    name: 'jwt',
    isStream: false,
    tokens: [
      '.',
      '..',
      'eyJhbGciOiJSUzI1NiJ9',
      'eyJhbGciOiJub25lIn0',
      'e30',
      '=',
      '-',
      '_',
      '+',
      '/',
      '\0',
      'W10',
      'bnVsbA',
      'MTIz',
    ],
    run: ([bytes = Buffer.alloc(0)]) => JSON.stringify(parseJwt(bytes.toString('latin1'))),
  },
  {
    name: 'jwks',
    isStream: false,
    tokens: [
      '{"keys":[',
      ']}',
      '{',
      '}',
      '"kty":"RSA"',
      '"kty":"EC"',
      '"kty":"OKP"',
      '"kty":"oct"',
      '"n":"',
      '"e":"AQAB"',
      '"crv":"P-256"',
      '"x":"',
      '"y":"',
      '"alg":"RS256"',
      '"kid":"a"',
      '"use":"sig"',
      ',',
      'null',
      '[[[',
    ],
    run: ([bytes = Buffer.alloc(0)]) => {
      const { keys, problems } = parseJwks(bytes.toString('utf8'));
      return `${keys.length} keys; ${problems.join('; ')}`;
    },
  },
  {
    name: 'grpc-timeout',
    isStream: false,
    mostBytes: 64,
    tokens: ['0', '1', '99999999', 'H', 'M', 'S', 'm', 'u', 'n', '-', '+', ' ', '.'],
    run: ([bytes = Buffer.alloc(0)]) => {
      const ms = parseGrpcTimeout(bytes.toString('latin1'));
      assert.ok(ms === undefined || (Number.isFinite(ms) && ms >= 0));
      return String(ms);
    },
  },
  {
    name: 'grpc-messages',
    isStream: true,
    tokens: ['\0\0\0\0\0', '\x01\0\0\0\x01a', '\0\0\0\x01\0', '\0\xff\xff\xff\xff', '\x80\0\0\0\x05'],
    run: (parts) => {
      const messages = new GrpcMessages();
      for (const part of parts) messages.take(part);
      return String(messages.count);
    },
  },
];
