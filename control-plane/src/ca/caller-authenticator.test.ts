import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { X509Certificate } from 'node:crypto';
import { type Metadata } from '@grpc/grpc-js';
import { requireSpiffeId } from '@heddle/certs';
import { createAuthority, createJoinTokens } from '@heddle/certs/authority';
import { createCertificateRequest, generateWorkloadKeyPair } from '@heddle/certs/workload';
import { FakeClock } from '@heddle/common';
import fc from 'fast-check';
import { CallerAuthenticator, type IdentifiedCall } from './caller-authenticator.js';

const base = mkdtempSync(join(tmpdir(), 'heddle-caller-'));
after(() => rmSync(base, { recursive: true, force: true }));
const clock = new FakeClock(Date.UTC(2026, 0, 1));
const options = { folder: base, trustDomain: 'td', clock };
const authority = createAuthority(options);
const tokens = createJoinTokens(options);
const authenticator = new CallerAuthenticator({ tokens, trustDomain: 'td', clock });
const web = requireSpiffeId('spiffe://td/ns/shop/sa/web');
const { token } = tokens.issue(web, { ttlMs: 3_600_000 });
const certificate = leaf(3_600_000);

describe('who calls', () => {
  it('is found by the certificate, also beside a token of the same identity', () => {
    for (const headers of [[], [`Bearer ${token}`]]) {
      const verdict = authenticator.authenticate(call(headers, certificate));
      assert.equal(verdict.ok && verdict.caller.identity.uri, web.uri);
      assert.equal(verdict.ok && verdict.caller.by, 'certificate');
      assert.equal(verdict.ok && verdict.caller.provenUntilMs, clock.nowMs() + 3_600_000);
    }
  });

  it('is found by the token where there is no certificate', () => {
    const verdict = authenticator.authenticate(call([`Bearer ${token}`]));
    assert.equal(verdict.ok && verdict.caller.by, 'token');
    assert.equal(verdict.ok && verdict.caller.identity.uri, web.uri);
    assert.equal(verdict.ok && verdict.caller.certificate, undefined);
  });

  it('is not asked of a token that has ended, where there is a good certificate', () => {
    const short = tokens.issue(web, { ttlMs: 1 }).token;
    clock.advance(1);
    assert.equal(problemOf(call([`Bearer ${short}`])), 'token-expired');
    assert.equal(problemOf(call([`Bearer ${short}`], certificate)), undefined);
  });

  it('is nobody with a certificate that has expired on the open connection, whatever the token says', () => {
    const short = leaf(2_000);
    clock.advance(10_000);
    assert.equal(problemOf(call([], short)), 'certificate-refused');
    assert.equal(problemOf(call([`Bearer ${token}`], short)), 'certificate-refused');
  });

  it('is nobody when the proofs differ, are several, or of another kind', () => {
    const other = tokens.issue(requireSpiffeId('spiffe://td/ns/shop/sa/other')).token;
    assert.equal(problemOf(call([`Bearer ${other}`], certificate)), 'proofs-differ');
    assert.equal(problemOf(call([`Bearer ${token}`, `Bearer ${token}`])), 'several-tokens');
    assert.equal(problemOf(call([`Basic ${token}`])), 'no-bearer-token');
    assert.equal(problemOf(call([`bearer ${token}`])), 'no-bearer-token');
    assert.equal(problemOf(call([])), 'no-proof');
  });

  it('is nobody for any other text and any other bytes', () => {
    const text = fc.string({ maxLength: 200 });
    const mangled = fc
      .tuple(fc.nat({ max: token.length - 1 }), fc.constantFrom('A', 'b', '.', '-', ''))
      .map(([at, letter]) => token.slice(0, at) + letter + token.slice(at + 1))
      .filter((changed) => changed !== token);
    fc.assert(
      fc.property(fc.oneof(text, mangled), (value) => {
        assert.notEqual(problemOf(call([`Bearer ${value}`])), undefined);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.equal(problemOf(call([`Bearer ${token}`], Buffer.from(bytes))), 'certificate-refused');
      }),
    );
  });
});

function problemOf(one: IdentifiedCall): string | undefined {
  const verdict = authenticator.authenticate(one);
  return verdict.ok ? undefined : verdict.problem;
}

function leaf(ttlMs: number): Buffer {
  const csr = createCertificateRequest(generateWorkloadKeyPair(), web);
  return new X509Certificate(authority.sign(csr, web, { ttlMs }).chainPem).raw;
}

/** A call on a connection whose certificate, if it has one, was verified by TLS. */
function call(authorizations: readonly string[], raw?: Buffer): IdentifiedCall {
  const metadata = { get: () => [...authorizations] } as unknown as Metadata;
  const context = raw === undefined ? {} : { sslPeerCertificate: { raw } };
  return { metadata, getAuthContext: () => context } as unknown as IdentifiedCall;
}
