import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { clusterConfig, endpoint, frame, FrameType, TestProxy } from '@heddle/data-plane/testing';
import { rawExchange } from '../support/raw-exchange.js';
import { FILTERS, ProxyUnderAttack, statusesOf, type AttackedListener } from './proxy-under-attack.js';
import { RawHttp2Client, requestFields } from './raw-http2-client.js';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n';
const base64url = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const SECRET = 'a secret of thirty-two bytes or more';
const KEYS = JSON.stringify({ keys: [{ kty: 'oct', k: base64url(SECRET), kid: 'one', alg: 'HS256' }] });
const CLAIMS = { iss: 'issuer', sub: 'me', exp: 4_000_000_000 };

function signed(header: object, claims: object = CLAIMS, secret = SECRET): string {
  const text = `${base64url(header)}.${base64url(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

/** A token of `issuer` is required; `keys` as the control plane sends them. */
function jwtListener(keys: string): AttackedListener {
  return {
    filters: [
      {
        name: 'envoy.filters.http.jwt_authn',
        typed_config: {
          '@type': `${FILTERS}.http.jwt_authn.v3.JwtAuthentication`,
          providers: { issuer: { issuer: 'issuer', local_jwks: { inline_string: keys } } },
          rules: [{ match: { prefix: '/' }, requires: { provider_name: 'issuer' } }],
        },
      },
    ],
  };
}

const DELAY = {
  filters: [
    {
      name: 'envoy.filters.http.fault',
      typed_config: {
        '@type': `${FILTERS}.http.fault.v3.HTTPFault`,
        delay: { fixed_delay: '0.3s', percentage: { numerator: 100 } },
      },
    },
  ],
};

describe('filters that hostile requests pass through', () => {
  let proxy: ProxyUnderAttack;
  before(async () => {
    proxy = await ProxyUnderAttack.start({
      listeners: { plain: {}, jwt: jwtListener(KEYS), delayed: DELAY },
    });
  });
  after(() => proxy.close());

  const ask = async (listener: string, token: string | undefined): Promise<number> => {
    const field = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
    return statusesOf(await rawExchange(proxy.port(listener), `${GET}${field}\r\n`))[0] ?? 0;
  };

  it('1.24 no token, one without a signature, or one of another key: denied (CVE-2021-21378, CVE-2026-31837)', async () => {
    const good = signed({ alg: 'HS256', kid: 'one' });
    const unsigned = `${base64url({ alg: 'none' })}.${base64url(CLAIMS)}.`;
    for (const token of [
      undefined,
      '',
      'no token at all',
      unsigned,
      `${unsigned}AAAA`,
      `${base64url({ alg: 'None' })}.${base64url(CLAIMS)}.AAAA`,
      good.slice(0, good.lastIndexOf('.') + 1),
      signed({ alg: 'HS256', kid: 'one' }, CLAIMS, ''),
      signed({ alg: 'HS256', kid: 'one' }, CLAIMS, 'another secret of thirty-two bytes'),
      signed({ alg: 'HS256', kid: 'one', crit: ['exp'] }),
      signed({ alg: 'HS256', kid: 'one' }, { ...CLAIMS, exp: 1 }),
      signed({ alg: 'HS256', kid: 'one' }, { ...CLAIMS, iss: 'somebody else' }),
    ]) {
      const status = await ask('jwt', token);
      assert.ok(status === 401 || status === 403, `${token}: ${status}`);
    }
    assert.deepEqual(proxy.received(), []);
    assert.equal(await ask('jwt', good), 200);
    assert.equal(proxy.received().length, 1);
  });

  it('1.24 there is no key by default: where none is given, nothing is served', async () => {
    for (const keys of ['{"keys":[]}', '{"keys":[{"kty":"oct","k":""}]}', 'nothing fetched']) {
      await assert.rejects(ProxyUnderAttack.start({ listeners: { plain: jwtListener(keys) } }), /key set/);
    }
  });

  it('1.37 a request that is reset while a filter holds it goes no further (CVE-2026-26311)', async () => {
    const client = await RawHttp2Client.connect(proxy.port('delayed'));
    for (let id = 1; id < 20; id += 2) {
      client.headers(id, requestFields('/reset', [], 'POST'), false);
      client.data(id, 'some of it');
    }
    const cancel = Buffer.from([0, 0, 0, 8]);
    for (let id = 1; id < 20; id += 2) client.send(frame(FrameType.RstStream, 0, id, cancel));
    // This one is held as long, and comes after them.
    client.headers(21, requestFields('/kept'));
    assert.deepEqual(await client.outcome(21), { status: 200 });
    client.close();
    assert.deepEqual(
      proxy.received().map(({ startLine }) => startLine),
      ['GET /kept HTTP/1.1'],
    );
  });

  it('1.38 ten thousand clusters go at once, and no stack grows with them (CVE-2022-23606)', async () => {
    const whole = new TestProxy();
    const names = Array.from({ length: 10_000 }, (_, i) => `cluster-${i}`);
    const clusters = names.map((name) => clusterConfig(name, [endpoint(1)]));
    assert.deepEqual(whole.clusters.apply(clusters, []), []);
    assert.deepEqual(whole.clusters.apply([], names), []);
    assert.deepEqual(whole.clusters.status(), []);
    await whole.close();
  });
});
