import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import fc from 'fast-check';
import { JoinTokenError, PrivateFileError } from '../errors.js';
import { requireSpiffeId } from '../spiffe-id.js';
import { readJoinToken } from '../workload/join-token-file.js';
import { createJoinTokens, type JoinTokens } from './join-tokens.js';

const base = fs.mkdtempSync(path.join(os.tmpdir(), 'heddle-tokens-'));
after(() => fs.rmSync(base, { recursive: true, force: true }));
const web = requireSpiffeId('spiffe://td/ns/shop/sa/web');

describe('a join token', () => {
  it('proves the one identity that it was issued for', () => {
    const { tokens, clock } = setup();
    const { token, id } = tokens.issue(web, { ttlMs: 60_000 });
    assert.deepEqual(tokens.verify(token), {
      ok: true,
      id,
      spiffeId: web,
      expiresMs: clock.nowMs() + 60_000,
    });
  });

  it('has one spelling', () => {
    const { tokens } = setup();
    const { token } = tokens.issue(web);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=';
    const accepted = [...alphabet].filter((last) => tokens.verify(token.slice(0, -1) + last).ok);
    assert.deepEqual(accepted, [token.at(-1)]);
  });

  it('ends', () => {
    const { tokens, clock } = setup();
    const { token } = tokens.issue(web, { ttlMs: 60_000 });
    clock.advance(59_999);
    assert.equal(tokens.verify(token).ok, true);
    clock.advance(1);
    assert.deepEqual(tokens.verify(token), { ok: false, reason: 'expired' });
  });

  it('lives no longer than the maximum', () => {
    const { tokens, clock } = setup();
    assert.equal(tokens.issue(web, { ttlMs: Infinity }).expiresMs, clock.nowMs() + 30 * 86_400_000);
  });

  it('outlives a restart of the authority, and so does its revocation', () => {
    const { tokens, folder, clock } = setup();
    const [kept, revoked] = [tokens.issue(web), tokens.issue(web)];
    tokens.revoke(revoked);
    const again = createJoinTokens({ folder, trustDomain: 'td', clock });
    assert.equal(again.verify(kept.token).ok, true);
    assert.deepEqual(again.verify(revoked.token), { ok: false, reason: 'revoked' });
    assert.deepEqual(tokens.verify(revoked.token), { ok: false, reason: 'revoked' });
  });

  it('is forgotten as revoked once it has ended anyway', () => {
    const { tokens, folder, clock } = setup();
    tokens.revoke(tokens.issue(web, { ttlMs: 1000 }));
    clock.advance(1000);
    const later = tokens.issue(web);
    tokens.revoke(later);
    const stored = JSON.parse(
      fs.readFileSync(path.join(folder, 'revoked-join-tokens.json'), 'utf8'),
    ) as unknown;
    assert.deepEqual(stored, [[later.id, later.expiresMs]]);
  });

  it('is worth nothing to another authority', () => {
    const { token } = setup().tokens.issue(web);
    assert.deepEqual(setup().tokens.verify(token), { ok: false, reason: 'forged' });
  });

  it("is worth nothing when the authority's trust domain has changed", () => {
    const { tokens, folder, clock } = setup();
    const { token } = tokens.issue(web);
    const renamed = createJoinTokens({ folder, trustDomain: 'other', clock });
    assert.deepEqual(renamed.verify(token), { ok: false, reason: 'other-trust-domain' });
  });

  it("cannot be given another identity, another end, or another one's signature", () => {
    const { tokens } = setup();
    const { token } = tokens.issue(web, { ttlMs: 1000 });
    const [prefix, payload, mac] = token.split('.') as [string, string, string];
    const fields = JSON.parse(Buffer.from(payload, 'base64url').toString()) as [string, string, number];
    const forge = (changed: readonly unknown[]): string =>
      `${prefix}.${Buffer.from(JSON.stringify(changed)).toString('base64url')}.${mac}`;
    assert.equal(forge(fields), token);
    for (const changed of [
      [fields[0], 'spiffe://td/ns/shop/sa/db', fields[2]],
      [fields[0], fields[1], fields[2] + 1],
      ['other', fields[1], fields[2]],
    ]) {
      assert.deepEqual(tokens.verify(forge(changed)), { ok: false, reason: 'forged' });
    }
    assert.equal(tokens.verify(`${prefix}.${payload}.`).ok, false);
    assert.equal(tokens.verify(`${prefix}.${payload}`).ok, false);
  });

  it('is refused after any change of a letter, and so is any text', () => {
    const { tokens } = setup();
    const { token, id } = tokens.issue(web);
    fc.assert(
      fc.property(fc.nat({ max: token.length - 1 }), fc.constantFrom(...'abcXYZ019-_.= \0'), (at, letter) => {
        const changed = token.slice(0, at) + letter + token.slice(at + 1);
        const verdict = tokens.verify(changed);
        // The last letter has bits that stand for nothing; what it says is then the same.
        if (verdict.ok)
          assert.deepEqual(
            [verdict.id, verdict.spiffeId.uri, at],
            [id, web.uri, changed === token ? at : token.length - 1],
          );
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !tokens.verify(text).ok));
    assert.deepEqual(tokens.verify('x'.repeat(5000)), { ok: false, reason: 'malformed' });
  });

  it('is issued only for workloads of the trust domain', () => {
    const { tokens } = setup();
    for (const uri of ['spiffe://other/ns/a/sa/b', 'spiffe://td']) {
      assert.throws(() => tokens.issue(requireSpiffeId(uri)), JoinTokenError);
    }
    assert.throws(() => tokens.issue(web, { ttlMs: 0 }), JoinTokenError);
  });
});

describe('the file of a join token', () => {
  it('may be read by its user alone, and holds the token', () => {
    const { tokens, folder } = setup();
    const file = path.join(folder, 'web.token');
    const { token } = tokens.issueFile(file, web);
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.equal(readJoinToken(file), token);
  });

  it('is refused where others may read it, where there is none, and where it holds something else', () => {
    const { tokens, folder } = setup();
    const file = path.join(folder, 'web.token');
    tokens.issueFile(file, web);
    fs.chmodSync(file, 0o644);
    assert.throws(() => readJoinToken(file), PrivateFileError);
    assert.throws(() => readJoinToken(path.join(folder, 'none')), JoinTokenError);
    fs.chmodSync(file, 0o600);
    for (const content of ['', 'two words', 'line\nline']) {
      fs.writeFileSync(file, content);
      assert.throws(() => readJoinToken(file), JoinTokenError);
    }
  });
});

describe('createJoinTokens', () => {
  it('keeps its key in a file of mode 0600', () => {
    const { folder } = setup();
    assert.equal(fs.statSync(path.join(folder, 'join-token.key')).mode & 0o777, 0o600);
  });

  it('refuses a key that is cut short, and a list that cannot be read', () => {
    const { folder } = setup();
    fs.writeFileSync(path.join(folder, 'revoked-join-tokens.json'), '[1]', { mode: 0o600 });
    assert.throws(() => createJoinTokens({ folder, trustDomain: 'td' }), JoinTokenError);
    fs.rmSync(path.join(folder, 'revoked-join-tokens.json'));
    fs.writeFileSync(path.join(folder, 'join-token.key'), 'abcd');
    assert.throws(() => createJoinTokens({ folder, trustDomain: 'td' }), JoinTokenError);
  });
});

function setup(): { tokens: JoinTokens; folder: string; clock: FakeClock } {
  const folder = fs.mkdtempSync(path.join(base, 'authority-'));
  const clock = new FakeClock();
  return { tokens: createJoinTokens({ folder, trustDomain: 'td', clock }), folder, clock };
}
