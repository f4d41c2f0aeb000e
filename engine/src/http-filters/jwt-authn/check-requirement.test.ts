import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HeaderMap } from '../../http/header-map.js';
import type { RequestHead } from '../../http/message-head.js';
import { acceptJwt } from './accepted-jwt.js';
import { checkRequirement, type JwtCheck, type JwtVerifier } from './check-requirement.js';
import type { JwtProviderConfig, JwtRequirement } from './jwt-authn-config.js';
import { JWT_FAILURE, type JwtFailure } from './jwt-failure.js';
import { tokenLocations, type TokenSources } from './token-locations.js';

const NOW = 1_000_000;

describe('checkRequirement', () => {
  it('asks for nothing, looks at nothing and allocates no metadata without a requirement', () => {
    const { failure, check } = run({ kind: 'none' }, { authorization: 'Bearer garbage' });
    assert.equal(failure, undefined);
    assert.equal(check.metadata, undefined);
  });

  it('takes an accepted token out and passes its claims on', () => {
    const provider = providerOf('a', {
      forwardPayloadHeader: 'x-payload',
      payloadInMetadata: 'payload',
      claimToHeaders: [{ header: 'x-group', claim: ['realm', 'group'] }],
      spaceDelimitedClaims: ['scope'],
    });
    const token = tokenOf({ iss: 'a', scope: 'r w', realm: { group: 'g' } });
    const { failure, check } = run(of(provider), { authorization: `Bearer ${token}` });
    assert.equal(failure, undefined);
    assert.deepEqual(check.head.headers.names, ['x-payload', 'x-group']);
    assert.equal(check.head.headers.get('x-group'), 'g');
    assert.deepEqual(check.metadata?.['payload']?.['scope'], ['r', 'w']);
  });

  it('leaves a request with one bad token as it was, so that what is asked next still sees it', () => {
    const provider = providerOf('a', {}, { headers: [{ name: 'x-a', prefix: '' }] });
    const requirement: JwtRequirement = {
      kind: 'any',
      tolerates: 'nothing',
      requirements: [of(provider), { kind: 'any', requirements: [of(provider)], tolerates: 'missing' }],
    };
    for (const tokens of [
      [tokenOf({ iss: 'a' }), 'bad'],
      ['bad', tokenOf({ iss: 'a' })],
    ]) {
      const { failure, check } = run(requirement, ...tokens.map((value) => ({ 'x-a': value })));
      assert.equal(failure, JWT_FAILURE.badFormat);
      assert.equal(check.head.headers.length, 2);
    }
  });

  it('tolerates a missing token, but no bad one and none of another issuer', () => {
    const requirement: JwtRequirement = {
      kind: 'any',
      requirements: [of(providerOf('a'))],
      tolerates: 'missing',
    };
    assert.equal(run(requirement).failure, undefined);
    assert.equal(run(requirement, bearer(tokenOf({ iss: 'b' }))).failure, JWT_FAILURE.unknownIssuer);
    assert.equal(run(requirement, bearer(tokenOf({ iss: 'a', exp: 1 }))).failure, JWT_FAILURE.expired);
    assert.equal(run(requirement, bearer('x')).failure, JWT_FAILURE.badFormat);
  });

  it('tells of several failures the one of a provider that the token was meant for', () => {
    const requirement: JwtRequirement = {
      kind: 'any',
      requirements: [of(providerOf('a')), of(providerOf('b')), of(providerOf('c'))],
      tolerates: 'nothing',
    };
    assert.equal(run(requirement, bearer(tokenOf({ iss: 'b', exp: 1 }))).failure, JWT_FAILURE.expired);
    assert.equal(run(requirement, bearer(tokenOf({ iss: 'd' }))).failure, JWT_FAILURE.unknownIssuer);
    assert.equal(run(requirement).failure, JWT_FAILURE.missing);
  });

  it('needs every one of several requirements', () => {
    const header = (name: string): TokenSources => ({
      headers: [{ name, prefix: '' }],
      parameters: [],
      cookies: [],
    });
    const requirement: JwtRequirement = {
      kind: 'all',
      requirements: [of(providerOf('a', {}, header('x-a'))), of(providerOf('b', {}, header('x-b')))],
    };
    const good = { 'x-a': tokenOf({ iss: 'a' }), 'x-b': tokenOf({ iss: 'b' }) };
    assert.equal(run(requirement, good).failure, undefined);
    assert.equal(run(requirement, { 'x-a': good['x-a'] }).failure, JWT_FAILURE.missing);
    assert.equal(run(requirement, { ...good, 'x-b': good['x-a'] }).failure, JWT_FAILURE.unknownIssuer);
  });

  it('verifies no more than eight tokens of one request', () => {
    const provider = providerOf('a', {}, { headers: [{ name: 'x-a', prefix: '' }] });
    const headers = Array.from({ length: 9 }, () => ({ 'x-a': tokenOf({ iss: 'a' }) }));
    const { failure, verified } = run(of(provider), ...headers);
    assert.equal(failure, JWT_FAILURE.tooManyTokens);
    assert.equal(verified, 0);
  });

  it('verifies no signature of a token that fails for what it says', () => {
    const { failure, verified } = run(of(providerOf('a')), bearer(tokenOf({ iss: 'a', nbf: NOW + 61 })));
    assert.equal(failure, JWT_FAILURE.notYetValid);
    assert.equal(verified, 0);
  });

  it('asks a remembered token for its time and audience each time', () => {
    const provider = providerOf('a', { audiences: ['here'] });
    const token = tokenOf({ iss: 'a', exp: NOW, aud: 'here' });
    const verifier = new AnySignature();
    assert.equal(run(of(provider), { authorization: `Bearer ${token}` }, verifier).failure, undefined);
    assert.equal(
      run(of(provider), { authorization: `Bearer ${token}` }, verifier, NOW + 61).failure,
      JWT_FAILURE.expired,
    );
    assert.equal(
      run({ ...of(provider), audiences: ['there'] }, { authorization: `Bearer ${token}` }, verifier).failure,
      JWT_FAILURE.audienceNotAllowed,
    );
    assert.equal(verifier.verified, 1);
  });

  it('writes why a token failed where later filters and logs find it', () => {
    const provider = providerOf('a', { failedStatusInMetadata: 'failed' });
    const requirement: JwtRequirement = {
      kind: 'any',
      requirements: [of(provider)],
      tolerates: 'missing-or-failed',
    };
    const { failure, check } = run(requirement, bearer('x'));
    assert.equal(failure, undefined);
    assert.deepEqual(check.metadata, {
      failed: { code: 4, message: JWT_FAILURE.badFormat.text },
    });
  });

  it('finds the provider by issuer where any may be meant', () => {
    const a = providerOf('a', { payloadInMetadata: 'a' });
    const any = providerOf('', { name: 'any', payloadInMetadata: 'any' });
    const requirement: JwtRequirement = {
      kind: 'any-provider',
      tolerates: 'missing',
      providers: [any, a],
      locations: tokenLocations([any, a].map(({ issuer }) => ({ issuer, sources: DEFAULT_PLACES }))),
    };
    assert.deepEqual(Object.keys(run(requirement, bearer(tokenOf({ iss: 'a' }))).check.metadata ?? {}), [
      'a',
    ]);
    assert.deepEqual(Object.keys(run(requirement, bearer(tokenOf({ iss: 'z' }))).check.metadata ?? {}), [
      'any',
    ]);
  });

  it('never lets a request pass whose token is not accepted, whatever surrounds it', () => {
    const provider = providerOf('a');
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (before, token, after) => {
        const path = `/?${encodeURIComponent(before)}&access_token=${encodeURIComponent(token)}&${after}`;
        const { failure } = run(of(provider), { ':path': path });
        assert.notEqual(failure, undefined);
      }),
    );
  });
});

const DEFAULT_PLACES: TokenSources = { headers: [], parameters: [], cookies: [] };
const sources = new WeakMap<JwtProviderConfig, TokenSources>();

function providerOf(
  issuer: string,
  config: Partial<JwtProviderConfig> = {},
  places: Partial<TokenSources> = {},
): JwtProviderConfig {
  const provider: JwtProviderConfig = {
    name: issuer,
    issuer,
    audiences: [],
    subjects: undefined,
    requireExpiration: false,
    maxLifetimeSeconds: undefined,
    clockSkewSeconds: 60,
    keys: { kind: 'inline', keys: [] },
    forward: false,
    forwardPayloadHeader: '',
    padForwardPayload: false,
    payloadInMetadata: '',
    headerInMetadata: '',
    failedStatusInMetadata: '',
    spaceDelimitedClaims: [],
    claimToHeaders: [],
    cacheSize: 10,
    ...config,
  };
  sources.set(provider, { ...DEFAULT_PLACES, ...places });
  return provider;
}

function of(provider: JwtProviderConfig): Extract<JwtRequirement, { kind: 'provider' }> {
  const { issuer, audiences } = provider;
  return {
    kind: 'provider',
    provider,
    audiences,
    locations: tokenLocations([{ issuer, sources: sources.get(provider) ?? DEFAULT_PLACES }]),
  };
}

/** Takes every signature for good. */
class AnySignature implements JwtVerifier {
  verified = 0;
  readonly #known = new Map<string, ReturnType<typeof acceptJwt>>();

  remembered(provider: JwtProviderConfig, token: string) {
    return this.#known.get(`${provider.name} ${token}`);
  }

  verify(provider: JwtProviderConfig, jwt: Parameters<typeof acceptJwt>[0]) {
    this.verified++;
    const accepted = acceptJwt(jwt, provider);
    this.#known.set(`${provider.name} ${jwt.token}`, accepted);
    return accepted;
  }
}

interface Run {
  readonly failure: JwtFailure | undefined;
  readonly check: JwtCheck;
  readonly verified: number;
}

type Fields = Readonly<Record<string, string>>;

function run(requirement: JwtRequirement, ...rest: readonly (Fields | AnySignature | number)[]): Run {
  const headers = new HeaderMap();
  let path = '/';
  let verifier = new AnySignature();
  let nowSeconds = NOW;
  for (const one of rest) {
    if (one instanceof AnySignature) verifier = one;
    else if (typeof one === 'number') nowSeconds = one;
    else {
      for (const [name, value] of Object.entries(one)) {
        if (name === ':path') path = value;
        else headers.append(name, value);
      }
    }
  }
  const head: RequestHead = {
    method: 'GET',
    scheme: 'http',
    authority: 'h',
    path,
    headers,
    version: 'HTTP/1.1',
    upgrade: '',
  };
  const check: JwtCheck = { head, verifier, nowSeconds, metadata: undefined };
  const failure = checkRequirement(requirement, check);
  return { failure, check, verified: verifier.verified };
}

function bearer(token: string): Fields {
  return { authorization: `Bearer ${token}` };
}

function tokenOf(payload: unknown): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(payload)}.c2ln`;
}
