import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HashPolicyConfig } from '../config/route-config.js';
import { HeaderMap } from '../http/header-map.js';
import type { RequestHead } from '../http/message-head.js';
import { LinearRegex } from '../route/linear-regex.js';
import { requestHash } from './request-hash.js';
import { combineHashes, xxHash64 } from './xx-hash64.js';

const SOURCE = { clientIp: '10.0.0.1', connectionKey: '10.0.0.1:5000127.0.0.1:80' };

describe('the hash of a request', () => {
  it('is made of what each policy finds, and of nothing when none does', () => {
    assert.deepEqual(of([USER], { 'x-user': 'bob' }).hash, xxHash64('bob'));
    assert.equal(of([USER], {}).hash, undefined);
    assert.deepEqual(of([{ kind: 'source-ip', terminal: false }]).hash, xxHash64('10.0.0.1'));
    assert.deepEqual(
      of([{ kind: 'query', name: 'id', terminal: false }], {}, '/?a=1&id=7').hash,
      xxHash64('7'),
    );
    assert.deepEqual(
      of([USER, { kind: 'source-ip', terminal: false }], { 'x-user': 'bob' }).hash,
      combineHashes(xxHash64('bob'), xxHash64('10.0.0.1')),
    );
  });

  it('is complete after a terminal policy, once there is one', () => {
    const policies: HashPolicyConfig[] = [
      { ...USER, terminal: true },
      { kind: 'source-ip', terminal: false },
    ];
    assert.deepEqual(of(policies, { 'x-user': 'bob' }).hash, xxHash64('bob'));
    assert.deepEqual(of(policies).hash, xxHash64('10.0.0.1'));
  });

  it('takes a header as it is rewritten', () => {
    const regexRewrite = { regex: new LinearRegex('^([^/]*)/.*'), substitution: '\\1' };
    assert.deepEqual(of([{ ...USER, regexRewrite }], { 'x-user': 'bob/7' }).hash, xxHash64('bob'));
  });

  it('takes a cookie, also one in quotes, and gives one out where it should have one', () => {
    const session: HashPolicyConfig = {
      kind: 'cookie',
      name: 's',
      ttlMs: 60_000,
      path: '/a',
      attributes: [
        ['SameSite', 'Lax'],
        ['Secure', ''],
      ],
      terminal: false,
    };
    assert.deepEqual(of([session], { cookie: 'a=1; s="bob"; b=2' }).hash, xxHash64('bob'));
    const { hash, setCookies } = of([session], { cookie: 'ss=1; s=' });
    assert.deepEqual(setCookies.length, 1);
    const value = /^s="([0-9a-f]{16})"; Max-Age=60; Path=\/a; SameSite=Lax; Secure; HttpOnly$/.exec(
      setCookies[0] ?? '',
    )?.[1];
    assert.deepEqual(hash, xxHash64(value ?? ''));
    assert.deepEqual(of([{ ...session, ttlMs: undefined }]), { hash: undefined, setCookies: [] });
    assert.doesNotMatch(of([{ ...session, ttlMs: 0 }]).setCookies[0] ?? '', /Max-Age/);
  });
});

const USER: Extract<HashPolicyConfig, { kind: 'header' }> = {
  kind: 'header',
  name: 'x-user',
  regexRewrite: undefined,
  terminal: false,
};

function of(
  policies: readonly HashPolicyConfig[],
  fields: Record<string, string> = {},
  path = '/',
): ReturnType<typeof requestHash> {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  const head: RequestHead = {
    method: 'GET',
    scheme: 'http',
    authority: 'a',
    path,
    headers,
    version: 'HTTP/1.1',
    upgrade: '',
  };
  return requestHash(policies, head, SOURCE);
}
