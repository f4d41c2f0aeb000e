import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createSeededRandom, FakeClock } from '@heddle/common';
import {
  HeaderMap,
  httpFilterOf,
  type DynamicMetadata,
  type HttpFilterFactoryConfig,
  type LocalReply,
  type RequestHead,
} from '@heddle/engine';
import { envoy } from '@heddle/xds-protos';
import { Runtime } from '../../../runtime/runtime.js';
import { StatsStore } from '../../../stats/stats-store.js';
import { FilterStatus, type FilterHandle, type StreamFilterFactory } from '../../filter.js';
import { jwtAuthnFilter } from './index.js';

const { JwtAuthentication } = envoy.extensions.filters.http.jwt_authn.v3;

describe('the JWT filter', () => {
  it('verifies a token once, and counts how often it knew it', () => {
    const { filter, count, token } = setUp();
    for (let i = 0; i < 3; i++)
      assert.equal(filter(bearer(token({ iss: 'a' }))).status, FilterStatus.Continue);
    assert.deepEqual([count('jwt_cache_miss'), count('jwt_cache_hit'), count('allowed')], [1, 2, 3]);
  });

  it('does not let a remembered token live longer than its expiry', () => {
    const { filter, clock, token } = setUp();
    const jwt = token({ iss: 'a', exp: Math.floor(clock.nowMs() / 1000) + 10 });
    assert.equal(filter(bearer(jwt)).status, FilterStatus.Continue);
    clock.advance(69_000);
    assert.equal(filter(bearer(jwt)).status, FilterStatus.Continue);
    clock.advance(2_000);
    assert.equal(filter(bearer(jwt)).reply?.body, 'Jwt is expired');
  });

  it('forgets tokens that are not used, when it remembers too many, and none that is', () => {
    const { filter, count, token } = setUp({ jwtCacheConfig: { jwtCacheSize: 4 } });
    const often = token({ iss: 'a', sub: 'often' });
    const seldom = token({ iss: 'a', sub: 'seldom' });
    for (const jwt of [often, seldom]) filter(bearer(jwt));
    for (let i = 0; i < 6; i++) {
      filter(bearer(token({ iss: 'a', sub: String(i) })));
      filter(bearer(often));
    }
    assert.equal(count('jwt_cache_hit'), 6);
    filter(bearer(seldom));
    assert.equal(count('jwt_cache_hit'), 6);
    assert.ok(count('jwt_cache_evicted') > 0);
  });

  it('remembers no refused token and no huge one', () => {
    const { filter, count, token } = setUp();
    const changed = `${token({ iss: 'a' }).slice(0, -4)}AAAA`;
    const huge = token({ iss: 'a', more: 'x'.repeat(8000) });
    for (const jwt of [changed, changed, huge, huge]) filter(bearer(jwt));
    assert.equal(count('jwt_cache_hit'), 0);
    assert.deepEqual([count('denied'), count('allowed')], [2, 2]);
  });

  it('accepts no token of a key that a new configuration does not have, however well it was known', () => {
    const before = setUp();
    const after = setUp();
    const jwt = before.token({ iss: 'a' });
    assert.equal(before.filter(bearer(jwt)).status, FilterStatus.Continue);
    assert.equal(after.filter(bearer(jwt)).reply?.status, 401);
  });

  it('hands every request its own metadata, whose payload nobody can change', () => {
    const { filter, token } = setUp({ payloadInMetadata: 'payload' });
    const jwt = token({ iss: 'a', list: ['x'] });
    const [first, second] = [filter(bearer(jwt)).metadata, filter(bearer(jwt)).metadata];
    assert.deepEqual(first, { payload: { iss: 'a', list: ['x'] } });
    assert.notEqual(first, second);
    assert.ok(Object.isFrozen((first?.['payload'] as { list: unknown }).list));
  });

  it('says in 401 what is wrong and where to present a token', () => {
    const { filter, token } = setUp();
    const missing = filter().reply;
    assert.deepEqual(missing?.headers, [['www-authenticate', 'Bearer realm="http://h/"']]);
    assert.equal(missing?.details, 'jwt_authn_access_denied{Jwt_is_missing}');
    const wrong = filter(bearer(token({ iss: 'b' })), '/a"b').reply;
    assert.deepEqual(wrong?.headers, [
      ['www-authenticate', 'Bearer realm="http://h/a%22b", error="invalid_token"'],
    ]);
  });

  it('takes what clients sent under the names of claims, even where nothing is asked', () => {
    const { filter } = setUp({ claimToHeaders: [{ headerName: 'X-Sub', claimName: 'sub' }] }, '/only');
    const { status, head } = filter([['x-sub', 'forged']], '/elsewhere');
    assert.equal(status, FilterStatus.Continue);
    assert.equal(head.headers.has('x-sub'), false);
  });

  it('reads keys from a file when its configuration comes, and refuses all when there are none', () => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-jwt-'));
    try {
      const file = join(folder, 'keys.json');
      const keys = generateKeyPairSync('ed25519');
      writeFileSync(file, jwksOf(keys.publicKey));
      const good = setUp({ localJwks: { filename: file } });
      assert.equal(good.filter(bearer(signed(keys.privateKey, { iss: 'a' }))).status, FilterStatus.Continue);
      const absent = setUp({ localJwks: { filename: join(folder, 'absent') } });
      const { reply } = absent.filter(bearer(signed(keys.privateKey, { iss: 'a' })));
      assert.equal(reply?.body, "Jwks doesn't have any valid public key");
      assert.equal(absent.count('jwks_file_failed'), 1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

type Fields = readonly (readonly [name: string, value: string])[];

function bearer(token: string): Fields {
  return [['authorization', `Bearer ${token}`]];
}

interface Outcome {
  readonly status: FilterStatus;
  readonly reply: LocalReply | undefined;
  readonly metadata: DynamicMetadata | undefined;
  readonly head: RequestHead;
}

/** A filter with one provider, `a`, whose key is new, and what one request comes to. */
function setUp(
  provider: envoy.extensions.filters.http.jwt_authn.v3.IJwtProvider = {},
  prefix = '/',
): {
  readonly filter: (headers?: Fields, path?: string) => Outcome;
  readonly token: (payload: unknown) => string;
  readonly count: (name: string) => number;
  readonly clock: FakeClock;
} {
  const keys = generateKeyPairSync('ed25519');
  const message = JwtAuthentication.create({
    providers: {
      a: { issuer: 'a', localJwks: { inlineString: jwksOf(keys.publicKey) }, ...provider },
    },
    rules: [{ match: { prefix }, requires: { providerName: 'a' } }],
  });
  const kind = httpFilterOf(jwtAuthnFilter.typeUrl) as HttpFilterFactoryConfig;
  const translated = kind.parse(JwtAuthentication.encode(message).finish(), '');
  assert.ok(translated.ok);
  const stats = new StatsStore();
  const clock = new FakeClock();
  const create = jwtAuthnFilter.create(translated.value, {
    clock,
    random: createSeededRandom(1),
    stats,
    statPrefix: 'test',
    runtime: new Runtime(),
  });
  return {
    filter: (headers = [], path = '/') => decode(create, headers, path),
    token: (payload) => signed(keys.privateKey, payload),
    count: (name) =>
      stats.counter(`http.jwt_authn.${name}`, [['envoy_http_conn_manager_prefix', 'test']]).value,
    clock,
  };
}

function decode(create: StreamFilterFactory, fields: Fields, path: string): Outcome {
  const headers = new HeaderMap();
  for (const [name, value] of fields) headers.append(name, value);
  const head: RequestHead = {
    method: 'GET',
    scheme: 'http',
    authority: 'h',
    path,
    headers,
    version: 'HTTP/1.1',
    upgrade: '',
  };
  let reply: LocalReply | undefined;
  const info: { request: RequestHead; dynamicMetadata: Map<string, DynamicMetadata> | undefined } = {
    request: head,
    dynamicMetadata: undefined,
  };
  const handle = {
    info,
    routeConfig: () => undefined,
    sendLocalReply: (sent: LocalReply) => (reply = sent),
  } as unknown as FilterHandle;
  const status = create(handle).decodeHeaders?.(head, true) ?? FilterStatus.Continue;
  return { status, reply, metadata: info.dynamicMetadata?.get('envoy.filters.http.jwt_authn'), head };
}

function jwksOf(publicKey: KeyObject): string {
  return JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] });
}

function signed(privateKey: KeyObject, payload: unknown): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part({ alg: 'EdDSA' })}.${part(payload)}`;
  return `${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}`;
}
