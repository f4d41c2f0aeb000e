import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import type { IssuedToken } from './heddled-client.js';
import { JoinTokenFile } from './join-token-file.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-token-file-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const HOUR_MS = 3_600_000;

describe('the join token of a launched proxy', () => {
  it('is in a file that nobody else may read, and is gone with the proxy', async () => {
    const { token, file, client } = setup('once');
    await token.start();
    assert.equal(readFileSync(file, 'utf8'), 'token-1\n');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'once')).mode & 0o777, 0o700);
    await token.stop();
    assert.equal(existsSync(file), false);
    assert.deepEqual(client.revoked, ['1']);
  });

  it('is renewed before half of its time, by the wall clock', async () => {
    const { token, file, client, clock } = setup('renewed');
    await token.start();
    await pass(clock, 12 * HOUR_MS - 60_000);
    assert.equal(client.issued, 1);
    await pass(clock, 90_000);
    await holds(file, 'token-2\n');
    // A machine that slept for days.
    clock.jumpWall(72 * HOUR_MS);
    await pass(clock, 30_000);
    await holds(file, 'token-3\n');
    await token.stop();
    await pass(clock, 100 * HOUR_MS);
    assert.equal(client.issued, 3);
  });

  it('comes as soon as heddled gives one, and that there is none is told once', async () => {
    const { token, file, client, clock, problems } = setup('late');
    client.fails = true;
    await token.start();
    await pass(clock, 3_000, 1_000);
    assert.equal(client.asked, 4);
    assert.equal(existsSync(file), false);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? '', /no new join token for .*: heddled is away/);
    client.fails = false;
    await pass(clock, 1_000, 1_000);
    await holds(file, 'token-1\n');
    await token.stop();
  });
});

function setup(name: string): {
  token: JoinTokenFile;
  file: string;
  client: FakeClient;
  clock: FakeClock;
  problems: string[];
} {
  const clock = new FakeClock();
  const client = new FakeClient();
  const problems: string[] = [];
  const file = join(folder, name, 'token');
  const token = new JoinTokenFile({
    file,
    namespace: 'shop',
    serviceAccount: 'web',
    client,
    clock,
    onProblem: (text) => problems.push(text),
  });
  return { token, file, client, clock, problems };
}

class FakeClient {
  issued = 0;
  asked = 0;
  readonly revoked: string[] = [];
  fails = false;

  issueToken(): Promise<IssuedToken> {
    this.asked++;
    if (this.fails) return Promise.reject(new Error('heddled is away'));
    const id = String(++this.issued);
    return Promise.resolve({ token: `token-${id}`, id, identity: '', expires: '' });
  }

  revokeToken({ id }: { readonly id: string }): Promise<void> {
    this.revoked.push(id);
    return Promise.resolve();
  }
}

/** Timers fire in steps, so that what one of them begins may set the next. */
async function pass(clock: FakeClock, totalMs: number, stepMs = 30_000): Promise<void> {
  for (let passedMs = 0; passedMs < totalMs; passedMs += stepMs) {
    clock.advance(Math.min(stepMs, totalMs - passedMs));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Resolves when the file has this content; it is written by other threads. */
async function holds(file: string, text: string): Promise<void> {
  for (let i = 0; i < 100_000; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!existsSync(file) || readFileSync(file, 'utf8') !== text) continue;
    // Whoever wrote it learns of it after us.
    await new Promise((resolve) => setTimeout(resolve, 5));
    return;
  }
  assert.equal(readFileSync(file, 'utf8'), text);
}
