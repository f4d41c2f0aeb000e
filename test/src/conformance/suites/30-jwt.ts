import { readFile } from 'node:fs/promises';
import { eventually } from '../../support/eventually.js';
import { FAR_FUTURE, part, signed, token } from '../../support/jwt-issuer.js';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';
import type { RequestOptions } from '../row-context.js';

const A = { iss: 'a.example', aud: 'aud-a', sub: 'sue', exp: FAR_FUTURE };
const B = { iss: 'b.example', sub: 'bob', exp: FAR_FUTURE };
const STRICT = { iss: 'strict.example', sub: 'spiffe://s/one', exp: FAR_FUTURE };

const GOOD_A = token(A);
const GOOD_B = token(B);
const BAD_A = `${GOOD_A.slice(0, -8)}AAAAAAAA`;
const NOW = Math.floor(Date.now() / 1000);

function bearer(...tokens: readonly string[]): RequestOptions {
  return { headers: tokens.map((one) => ['Authorization', `Bearer ${one}`] as const) };
}

function row(title: string, target: string, options: RequestOptions = {}): ConformanceRow {
  return { title, observe: (proxy) => proxy.request(target, options) };
}

/** A token of provider `a`. */
function rowA(title: string, jwt: string): ConformanceRow {
  return row(title, '/a', bearer(jwt));
}

/** What is passed on of the token is another with each run, and its times count from the moment in which it is sent. */
function statusRow(title: string, target: string, payload: (nowSeconds: number) => unknown): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      const jwt = token(payload(Math.floor(Date.now() / 1000)));
      const { status } = await proxy.exchange(target, bearer(jwt));
      proxy.received();
      return status;
    },
  };
}

const WITH_CLAIMS = {
  ...A,
  scope: 'read write  all',
  whole: 12345678901234,
  part: 1.5,
  negative: -7,
  large: 1e20,
  flag: true,
  list: ['one', 'two'],
  deep: { er: { est: 'bottom' } },
};

const input = (header: unknown, payload: unknown): string => `${part(header)}.${part(payload)}`;
const RS = { alg: 'RS256', kid: 'rsa' };

const malformed: readonly ConformanceRow[] = [
  rowA('not a token', 'garbage'),
  rowA('two parts', 'a.b'),
  rowA('four parts', `${GOOD_A}.x`),
  rowA('an empty signature', `${input(RS, A)}.`),
  rowA('an empty header', `.${part(A)}.c2ln`),
  rowA('an empty part more', GOOD_A.replace('.', '..')),
  rowA('a header that is not base64url', `!!!.${part(A)}.c2ln`),
  rowA('a header in base64 of another alphabet', `${part(RS)}+.${part(A)}.c2ln`),
  rowA('a header that is not JSON', signed(`${part('{')}.${part(A)}`, 'rsa', 'RS256')),
  rowA('a header that is a list', signed(`${part([])}.${part(A)}`, 'rsa', 'RS256')),
  rowA(
    'a header that is not UTF-8',
    signed(`${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${part(A)}`, 'rsa', 'RS256'),
  ),
  rowA('a header without alg', signed(input({ kid: 'rsa' }, A), 'rsa', 'RS256')),
  rowA('an alg that is a number', signed(input({ alg: 7 }, A), 'rsa', 'RS256')),
  rowA('alg none', `${input({ alg: 'none' }, A)}.`),
  rowA('alg none with a signature', token(A, { header: { alg: 'none' }, signAs: 'RS256' })),
  rowA('alg in small letters', token(A, { header: { alg: 'rs256' }, signAs: 'RS256' })),
  rowA('an alg of encryption', token(A, { header: { alg: 'RSA-OAEP' }, signAs: 'RS256' })),
  rowA('a kid that is a number', token(A, { header: { kid: 7 } })),
  rowA('a payload that is not base64url', `${part(RS)}.@@@.c2ln`),
  rowA('a payload that is not JSON', signed(`${part(RS)}.${part('x')}`, 'rsa', 'RS256')),
  rowA('a payload that is a text', signed(`${part(RS)}.${part('"x"')}`, 'rsa', 'RS256')),
  rowA(
    'a payload nested 200 deep',
    token({ ...A, nested: JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`) as unknown }),
  ),
  rowA('an iss that is a list', token({ ...A, iss: ['a.example'] })),
  rowA('a sub that is a number', token({ ...A, sub: 5 })),
  rowA('an iat that is a text', token({ ...A, iat: 'now' })),
  rowA('a negative iat', token({ ...A, iat: -1 })),
  rowA('an nbf that is a text', token({ ...A, nbf: '0' })),
  rowA('a negative nbf', token({ ...A, nbf: -1 })),
  rowA('an exp that is a text', token({ ...A, exp: String(FAR_FUTURE) })),
  rowA('a negative exp', token({ ...A, exp: -1 })),
  rowA('an exp of 1e30', token({ ...A, exp: 1e30 })),
  rowA('an exp with a fraction', token({ ...A, exp: FAR_FUTURE + 0.5 })),
  rowA('an exp of null', token({ ...A, exp: null })),
  rowA('a jti that is a number', token({ ...A, jti: 1 })),
  rowA('an aud that is a number', token({ ...A, aud: 1 })),
  rowA('an aud with a number in it', token({ ...A, aud: ['aud-a', 1] })),
  rowA('a signature that is not base64url', `${input(RS, A)}.***`),
  rowA('a padded signature', `${GOOD_A}==`),
  rowA('a signature with bits beyond its end', beyondItsEnd(GOOD_A)),
  rowA('crit', token(A, { header: { crit: ['exp'] } })),
  rowA('something behind the token', `${GOOD_A} x`),
];

/** The same bytes of a signature of 256, in another last character. */
function beyondItsEnd(jwt: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(jwt.at(-1) ?? '');
  return jwt.slice(0, -1) + (alphabet[last + 1] ?? '');
}

const signatures: readonly ConformanceRow[] = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const).map((alg) =>
    rowA(`${alg}`, token(A, { header: { alg } })),
  ),
  rowA('ES256', token(A, { key: 'p256' })),
  rowA('ES384', token(A, { key: 'p384' })),
  rowA('EdDSA', token(A, { key: 'ed25519' })),
  rowA('HS256', token(A, { key: 'secret' })),
  rowA('HS512', token(A, { key: 'secret', header: { alg: 'HS512' } })),
  rowA('no kid', token(A, { header: { kid: undefined } })),
  rowA('a kid that is not there', token(A, { header: { kid: 'other' } })),
  rowA('the kid of another key', token(A, { header: { kid: 'p256' } })),
  rowA('the wrong key of the right kid', token(A, { key: 'otherRsa', header: { kid: 'rsa' } })),
  rowA('a changed payload', GOOD_A.replace(part(A), part({ ...A, sub: 'eve' }))),
  rowA('a changed signature', BAD_A),
  rowA('a short signature', GOOD_A.slice(0, -4)),
  rowA('ES256 with a short signature', `${input({ alg: 'ES256', kid: 'p256' }, A)}.c2ln`),
  rowA('EdDSA with a short signature', `${input({ alg: 'EdDSA', kid: 'ed25519' }, A)}.c2ln`),
  rowA('the public key as a secret', token(A, { header: { alg: 'HS256' } })),
  rowA('the public key as a secret, without kid', token(A, { header: { alg: 'HS256', kid: undefined } })),
  row('without kids', '/keys/no-kids', bearer(token({ iss: 'no-kids.example' }))),
  row('ES256 without kids', '/keys/no-kids', bearer(token({ iss: 'no-kids.example' }, { key: 'p256' }))),
  row('EdDSA without kids', '/keys/no-kids', bearer(token({ iss: 'no-kids.example' }, { key: 'ed25519' }))),
  row('of no key without kids', '/keys/no-kids', bearer(token({ iss: 'no-kids.example' }, { key: 'p384' }))),
  row('a good key beside bad ones', '/keys/some-bad', bearer(token({ iss: 'some-bad-keys.example' }))),
  row(
    'the key for encryption beside a good one',
    '/keys/some-bad',
    bearer(token({ iss: 'some-bad-keys.example' }, { key: 'otherRsa', header: { kid: 'enc' } })),
  ),
];

const claims: readonly ConformanceRow[] = [
  rowA('no token of that issuer', GOOD_B),
  rowA('no issuer', token({ ...A, iss: undefined })),
  rowA('expired', token({ ...A, exp: NOW - 120 })),
  statusRow('expired within the skew', '/a', (now) => ({ ...A, exp: now - 20 })),
  rowA('no exp', token({ ...A, exp: undefined })),
  rowA('an exp of zero', token({ ...A, exp: 0 })),
  rowA('not yet valid', token({ ...A, nbf: NOW + 3600 })),
  statusRow('not yet valid within the skew', '/a', (now) => ({ ...A, nbf: now + 30 })),
  rowA('another audience', token({ ...A, aud: 'other' })),
  rowA('no audience', token({ ...A, aud: undefined })),
  rowA('one of several audiences', token({ ...A, aud: ['x', 'aud-a'] })),
  rowA('an audience without scheme', token({ ...A, aud: 'aud-url' })),
  rowA('an audience with another scheme and a slash', token({ ...A, aud: 'http://aud-url/' })),
  row('the audience of the requirement', '/audiences', bearer(token({ ...A, aud: 'other-aud' }))),
  row('the audience of the provider instead', '/audiences', bearer(GOOD_A)),
  row('a subject that fits', '/strict', bearer(token(STRICT))),
  row('a subject that does not', '/strict', bearer(token({ ...STRICT, sub: 'sue' }))),
  row('no subject', '/strict', bearer(token({ ...STRICT, sub: undefined }))),
  row('an expiry that is asked for', '/strict', bearer(token({ ...STRICT, exp: undefined }))),
  row('expired, of a shorter skew', '/strict', bearer(token({ ...STRICT, exp: NOW - 20 }))),
  row('a wrong subject and expired', '/strict', bearer(token({ ...STRICT, sub: 'sue', exp: NOW - 200 }))),
  row('a wrong subject and a wrong audience', '/strict-audience', bearer(token({ ...STRICT, sub: 'sue' }))),
  row('a short life', '/short', bearer(token({ iss: 'short.example', exp: NOW + 1800 }))),
  row('a long life', '/short', bearer(token({ iss: 'short.example', exp: NOW + 7200 }))),
  row('an endless life', '/short', bearer(token({ iss: 'short.example' }))),
  row(
    'a long life, not yet valid',
    '/short',
    bearer(token({ iss: 'short.example', exp: FAR_FUTURE, nbf: NOW + 3600 })),
  ),
  row('any issuer', '/issuerless/x', { headers: [['x-any', token({ iss: 'whoever' })]] }),
  row('any issuer, or none', '/issuerless/x', { headers: [['x-any', token({})]] }),
];

const places: readonly ConformanceRow[] = [
  row('no token', '/a'),
  rowA('a token in the header', GOOD_A),
  row('a token in the parameter', `/a?x=1&access_token=${GOOD_A}&y=2`),
  row('an escaped parameter', `/a?access_token=${GOOD_A.replaceAll('.', '%2E')}`),
  row('an escaped name of a parameter', `/a?access%5Ftoken=${GOOD_A}`),
  row('an empty parameter', '/a?access_token='),
  row('a parameter without value', '/a?access_token'),
  row('a parameter twice, the second bad', `/a?access_token=${GOOD_A}&access_token=${BAD_A}`),
  row('a header and a parameter', `/a?access_token=${GOOD_A}`, bearer(GOOD_A)),
  row('a good header and a bad parameter', `/a?access_token=${BAD_A}`, bearer(GOOD_A)),
  row('a bad header and a good parameter', `/a?access_token=${GOOD_A}`, bearer(BAD_A)),
  row('two good headers', '/a', bearer(GOOD_A, GOOD_A)),
  row('a good header and a bad one', '/a', bearer(GOOD_A, BAD_A)),
  row('a bad header and a good one', '/a', bearer(BAD_A, GOOD_A)),
  row('Basic', '/a', { headers: [['Authorization', 'Basic eDp5']] }),
  row('bearer in small letters', '/a', { headers: [['Authorization', `bearer ${GOOD_A}`]] }),
  row('two spaces', '/a', { headers: [['Authorization', `Bearer  ${GOOD_A}`]] }),
  row('something before the prefix', '/a', { headers: [['Authorization', `x Bearer ${GOOD_A}`]] }),
  row('a prefix and nothing', '/a', { headers: [['Authorization', 'Bearer ;;']] }),
  row('a long path', `/a/${'x'.repeat(400)}?q="1`),
  row('a prefix of its own', '/b', { headers: [['X-Jwt-B', `Tok ${GOOD_B}`]] }),
  row('no prefix', '/b', { headers: [['x-bare-b', GOOD_B]] }),
  row('no prefix where one is wanted', '/b', { headers: [['X-Jwt-B', GOOD_B]] }),
  row('the default place, which is not one', '/b', bearer(GOOD_B)),
  row('a parameter that stays', `/b?jwt_b=${GOOD_B}`),
  row('a cookie', '/b', { headers: [['Cookie', `x=y; cookie_b=${GOOD_B}; z=1`]] }),
  row('a quoted cookie', '/b', { headers: [['Cookie', `cookie_b="${GOOD_B}"`]] }),
  row('a cookie that goes', '/cookies', {
    headers: [['Cookie', `c1=${token({ iss: 'cookies.example' })}; z=1`]],
  }),
  row('two cookies, one bad', '/cookies', {
    headers: [['Cookie', `c1=${token({ iss: 'cookies.example' })}; c2=bad`]],
  }),
  row('a cookie twice', '/cookies', {
    headers: [['Cookie', `c1=${token({ iss: 'cookies.example' })}; c1=bad`]],
  }),
  row('the only parameter, which goes', `/params?p1=${token({ iss: 'params.example' })}`),
  row('a parameter that goes from between', `/params?b=%20&p1=${token({ iss: 'params.example' })}&a=1`),
];

const requirements: readonly ConformanceRow[] = [
  row('no rule', '/elsewhere', bearer('garbage')),
  row('a rule without requirement', '/none', bearer('garbage')),
  row('a rule by header', '/header', { headers: [['x-open', 'yes']] }),
  row('the rule after it', '/header'),
  row('the rule by path alone, with a query', '/header?x'),
  row('a named requirement', '/named'),
  row('a named requirement that asks for nothing', '/nothing'),
  row('any: none', '/any'),
  row('any: the first', '/any', bearer(GOOD_A)),
  row('any: the second', '/any', { headers: [['x-bare-b', GOOD_B]] }),
  row('any: the third', '/any', bearer(token(STRICT))),
  row('any: both', '/any', { headers: [...(bearer(GOOD_A).headers ?? []), ['x-bare-b', GOOD_B]] }),
  row('any: unknown issuer', '/any', bearer(token({ iss: 'other' }))),
  row('any: expired', '/any', bearer(token({ ...A, exp: 1 }))),
  row('any: one expired, one of a wrong signature', '/any', {
    headers: [...(bearer(token({ ...A, exp: 1 })).headers ?? []), ['x-bare-b', BAD_A]],
  }),
  row('any: one expired, one with a wrong key', '/any', {
    headers: [
      ...(bearer(token({ ...A, exp: 1 })).headers ?? []),
      ['x-bare-b', token(B, { key: 'otherRsa', header: { kid: 'rsa' } })],
    ],
  }),
  row('any: the last expired', '/any', bearer(token({ ...STRICT, exp: 1 }))),
  row('any: a wrong audience', '/any', bearer(token({ ...A, aud: 'x' }))),
  row('all: none', '/all'),
  row('all: both', '/all', { headers: [...(bearer(GOOD_A).headers ?? []), ['x-bare-b', GOOD_B]] }),
  row('all: one', '/all', bearer(GOOD_A)),
  row('all: the other', '/all', { headers: [['x-bare-b', GOOD_B]] }),
  ...['/any-missing', '/any-failed', '/istio', '/missing', '/failed'].flatMap((path) => [
    row(`${path}: none`, path),
    row(`${path}: good`, path, bearer(GOOD_A)),
    row(`${path}: bad`, path, bearer(BAD_A)),
    row(`${path}: garbage`, path, bearer('garbage')),
    row(`${path}: unknown issuer`, path, bearer(token({ iss: 'other' }))),
    row(`${path}: no issuer`, path, bearer(token({}))),
    row(`${path}: expired`, path, bearer(token({ ...A, exp: 1 }))),
    row(`${path}: a wrong audience`, path, bearer(token({ ...A, aud: 'x' }))),
    row(`${path}: good and bad`, path, bearer(GOOD_A, BAD_A)),
    row(`${path}: bad and good`, path, bearer(BAD_A, GOOD_A)),
    row(`${path}: two issuers`, path, bearer(GOOD_A, token(STRICT))),
  ]),
  row('/istio: the second issuer', '/istio', bearer(token(STRICT))),
  row('/failed: a token at another place than its issuer has', '/failed', bearer(GOOD_B)),
  row('/failed: the place of another', '/failed', { headers: [['x-bare-b', GOOD_B]] }),
  row('a preflight', '/a', {
    method: 'OPTIONS',
    headers: [
      ['Origin', 'https://x'],
      ['Access-Control-Request-Method', 'GET'],
    ],
  }),
  row('OPTIONS', '/a', { method: 'OPTIONS', headers: [['Origin', 'https://x']] }),
  row('a route without', '/route/disabled'),
  row('a route with another', '/route/named', bearer(GOOD_A)),
  row('a route with another, without token', '/route/named'),
  row('a route with one that is not there', '/route/unknown', bearer(GOOD_A)),
  row('without texts: none', '/a', { port: 'STRIPPED' }),
  row('without texts: bad', '/a', { port: 'STRIPPED', ...bearer(BAD_A) }),
  row('without texts: a route with one that is not there', '/route/unknown', { port: 'STRIPPED' }),
];

const passedOn: readonly ConformanceRow[] = [
  rowA('claims', token(WITH_CLAIMS)),
  row('forged headers', '/a', {
    headers: [
      ...(bearer(GOOD_A).headers ?? []),
      ['x-sub', 'eve'],
      ['X-Payload-A', 'forged'],
      ['x-absent', 'forged'],
    ],
  }),
  row('forged headers without a token', '/any-missing', {
    headers: [
      ['x-sub', 'eve'],
      ['x-payload-a', 'forged'],
    ],
  }),
  row('forged headers where nothing is asked', '/none', {
    headers: [
      ['x-sub', 'eve'],
      ['x-payload-a', 'forged'],
    ],
  }),
  rowA('a claim with a line break', token({ ...A, sub: 'a\r\nx-evil: 1' })),
  row('a line break in metadata that becomes a header', '/b', {
    headers: [['x-bare-b', token({ ...B, sub: 'a\r\nx-evil: 1' })]],
  }),
  rowA('a claim that is not ASCII', token({ ...A, sub: 'süß' })),
  rowA('an empty claim', token({ ...A, sub: '' })),
  rowA(
    'a claim named __proto__',
    token(JSON.parse(`{"iss":"a.example","aud":"aud-a","__proto__":{"sub":"eve"}}`) as unknown),
  ),
];

const logged: ConformanceRow = {
  title: 'what refusals are in the access log',
  observe: async (proxy) => {
    for (const options of [
      {},
      bearer(GOOD_A),
      bearer(BAD_A),
      bearer(GOOD_B),
      bearer('garbage'),
      bearer(token({ ...A, exp: 1 })),
      bearer(token({ ...A, aud: 'x' })),
    ]) {
      await proxy.exchange('/a/logged', options);
      await proxy.exchange('/any-missing/logged', options);
      await proxy.exchange('/any-failed/logged', options);
    }
    await proxy.exchange('/route/unknown/logged');
    await proxy.exchange('/none/logged');
    proxy.received();
    let lines: readonly string[] = [];
    await eventually(
      async () => {
        lines = (await readFile(proxy.logFile, 'utf8'))
          .split('\n')
          .filter((line) => line.includes('/logged'));
        return lines.some((line) => line.startsWith('/none/logged'));
      },
      () => `the last line did not come: ${lines.join('\n')}`,
    );
    return lines;
  },
};

export const jwt: ConformanceSuite = {
  file: '30-jwt',
  upstreams: ['b1'],
  rows: [...places, ...claims, ...signatures, ...malformed, ...requirements, ...passedOn, logged],
};
