import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { FakeClock, createLogger, createSeededRandom, type Random } from '@heddle/common';
import { requireSpiffeId } from '../spiffe-id.js';
import { forgeCertificate, forgeRoot, uriName, type ForgeOptions } from '../testing/index.js';
import { CertificateRotator, type CertificateRotatorOptions } from './certificate-rotator.js';
import { renewalAlarm, renewalDelayMs } from './renewal-schedule.js';
import { TrustBundle } from './trust-bundle.js';
import { generateWorkloadKeyPair, type WorkloadKeyPair } from './workload-key-pair.js';

const HOUR_MS = 3_600_000;
const LIFE_MS = 24 * HOUR_MS;
const spiffeId = requireSpiffeId('spiffe://td/ns/shop/sa/web');

describe('CertificateRotator', () => {
  it('asks at once, and again before half of the time has passed', async () => {
    const { rotator, clock, authority } = setup();
    rotator.start();
    await settled();
    const first = rotator.current;
    assert.equal(first?.spiffeId.uri, spiffeId.uri);
    await pass(clock, LIFE_MS * 0.4 - 2000);
    assert.equal(authority.requests, 1);
    await pass(clock, LIFE_MS * 0.1 + 2000);
    assert.equal(authority.requests, 2);
    assert.notEqual(rotator.current, first);
    rotator.stop();
  });

  it('draws the moment of renewal for each certificate', () => {
    const random = createSeededRandom(1);
    const window = { latestRatio: 0.5, jitterRatio: 0.1 };
    const delays = Array.from({ length: 500 }, () => renewalDelayMs(LIFE_MS, window, random));
    assert.ok(Math.max(...delays) < LIFE_MS * 0.5 && Math.min(...delays) > LIFE_MS * 0.4);
    assert.ok(Math.max(...delays) - Math.min(...delays) > LIFE_MS * 0.09);
  });

  it('makes a new key for every certificate, and sends none of them', async () => {
    const { rotator, authority } = setup();
    rotator.start();
    await settled();
    const first = rotator.current?.privateKeyPem();
    rotator.renewNow();
    await settled();
    assert.notEqual(rotator.current?.privateKeyPem(), first);
    for (const csr of authority.csrs)
      assert.match(csr, /^-----BEGIN CERTIFICATE REQUEST-----\n[\w+/=\n]+-----END/);
    rotator.stop();
  });

  it('keeps the old certificate while renewals fail, tries again within its time, and recovers', async () => {
    const { rotator, clock, authority } = setup({ random: () => 0.999 });
    rotator.start();
    await settled();
    const first = rotator.current;
    authority.fail = new Error('authority is down');
    await pass(clock, LIFE_MS * 0.5);
    assert.equal(rotator.state.phase, 'retrying');
    assert.equal(rotator.current, first);
    for (let attempts = rotator.state.attempts; attempts < 12; attempts = rotator.state.attempts) {
      assert.ok((clock.nextTimerInMs ?? Infinity) <= 60_000);
      await pass(clock, 60_000);
    }
    assert.equal(rotator.current, first);
    assert.match(rotator.state.lastError ?? '', /authority is down/);
    authority.fail = undefined;
    await pass(clock, 60_000);
    assert.notEqual(rotator.current, first);
    assert.deepEqual(pick(rotator), {
      phase: 'waiting',
      alarm: 'none',
      consecutiveFailures: 0,
      lastError: undefined,
    });
    rotator.stop();
  });

  it('raises its alarm while the time runs out, and goes on after it has', async () => {
    const lines: string[] = [];
    const { rotator, clock, authority } = setup({}, lines);
    rotator.start();
    await settled();
    const first = rotator.current;
    authority.fail = new Error('authority is down');
    const alarms: string[] = [];
    for (let minute = 0; minute < 25 * 60; minute++) {
      await pass(clock, 60_000);
      if (alarms.at(-1) !== rotator.state.alarm) alarms.push(rotator.state.alarm);
    }
    assert.deepEqual(alarms, ['none', 'notice', 'warning', 'critical', 'expired']);
    assert.equal(rotator.current, first);
    const levels = new Set(
      lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .map((line) => `${line['level']} ${line['alarm']}`),
    );
    assert.ok(levels.has('warn notice') && levels.has('warn warning'));
    assert.ok(levels.has('error critical') && levels.has('error expired'));
    authority.fail = undefined;
    await pass(clock, 60_000);
    assert.equal(rotator.state.alarm, 'none');
    rotator.stop();
  });

  it('spreads the attempts of many workloads over the whole pause', async () => {
    const delays: number[] = [];
    for (let seed = 1; seed <= 40; seed++) {
      const { rotator, clock, authority } = setup({ random: createSeededRandom(seed) });
      authority.fail = new Error('down');
      rotator.start();
      await settled();
      delays.push(clock.nextTimerInMs ?? NaN);
      rotator.stop();
    }
    assert.ok(Math.min(...delays) >= 100 && Math.min(...delays) < 250, String(Math.min(...delays)));
    assert.ok(Math.max(...delays) > 800 && Math.max(...delays) <= 1000, String(Math.max(...delays)));
  });

  it('begins with short pauses again after it has recovered', async () => {
    const { rotator, clock, authority } = setup({ random: () => 0.999 });
    authority.fail = new Error('down');
    rotator.start();
    await settled();
    await pass(clock, 600_000);
    assert.ok(rotator.state.consecutiveFailures > 8);
    authority.fail = undefined;
    await pass(clock, 60_000);
    authority.fail = new Error('down again');
    rotator.renewNow();
    await settled();
    assert.equal(rotator.state.phase, 'retrying');
    assert.ok((clock.nextTimerInMs ?? Infinity) <= 1000);
    rotator.stop();
  });

  it('tries several times within what is left of a short certificate', async () => {
    const { rotator, clock, authority } = setup({ random: () => 0.999 }, [], 10_000);
    rotator.start();
    await settled();
    authority.fail = new Error('down');
    while ((rotator.current?.notAfterMs ?? 0) > clock.nowMs()) {
      await pass(clock, 100);
    }
    assert.ok(rotator.state.failures >= 8, `${rotator.state.failures} attempts`);
    rotator.stop();
  });

  it('refuses what it cannot use, and keeps what it has', async () => {
    const { rotator, authority, root } = setup();
    rotator.start();
    await settled();
    const first = rotator.current;
    const wrong: ReadonlyArray<readonly [ForgeOptions, RegExp]> = [
      [{ names: [uriName('spiffe://td/ns/shop/sa/db')] }, /is for spiffe/],
      [{ keyPair: generateWorkloadKeyPair() }, /another key/],
      [{ issuer: forgeRoot('foreign') }, /no trusted root/],
      [{ ca: true }, /ca-certificate/],
    ];
    for (const [changes, message] of wrong) {
      authority.changes = { issuer: root, ...changes };
      rotator.renewNow();
      await settled();
      assert.match(rotator.state.lastError ?? '', message);
      assert.equal(rotator.current, first);
    }
    assert.equal(rotator.state.consecutiveFailures, wrong.length);
    rotator.stop();
  });

  it('gives up on an answer that does not come, tells the call so, and takes it no more', async () => {
    const { rotator, clock, authority } = setup({ signTimeoutMs: 5000 });
    authority.hold();
    rotator.start();
    await settled();
    clock.advance(5000);
    assert.equal(authority.signals[0]?.aborted, true);
    assert.match(rotator.state.lastError ?? '', /within 5000 ms/);
    authority.release();
    await settled();
    assert.equal(rotator.current, undefined);
    assert.equal(rotator.state.alarm, 'critical');
    await pass(clock, 1000);
    assert.notEqual(rotator.current, undefined);
    rotator.stop();
  });

  it('leaves no timer and takes no answer after a stop, and goes on after another start', async () => {
    const { rotator, clock, authority } = setup();
    authority.hold();
    rotator.start();
    await settled();
    rotator.stop();
    assert.equal(clock.pendingTimers, 0);
    assert.equal(authority.signals[0]?.aborted, true);
    authority.release();
    await settled();
    assert.equal(rotator.current, undefined);
    rotator.start();
    await settled();
    assert.notEqual(rotator.current, undefined);
    rotator.stop();
    assert.equal(clock.pendingTimers, 0);
    rotator.start();
    await settled();
    assert.equal(authority.requests, 2);
    assert.equal(clock.pendingTimers, 1);
    rotator.stop();
  });

  it('renews when a machine wakes, soon after the wall clock has jumped', async () => {
    const { rotator, clock, authority } = setup();
    rotator.start();
    await settled();
    clock.jumpWall(LIFE_MS * 2);
    assert.equal(rotator.state.alarm, 'expired');
    await pass(clock, 30_000);
    assert.equal(authority.requests, 2);
    assert.equal(rotator.state.alarm, 'none');
    rotator.stop();
  });

  it('renews in time also when the wall clock is put back', async () => {
    const { rotator, clock, authority } = setup();
    rotator.start();
    await settled();
    clock.jumpWall(-LIFE_MS);
    await pass(clock, LIFE_MS / 2);
    assert.equal(authority.requests, 2);
    rotator.stop();
  });

  it('asks again after the answer under way where a renewal is wanted meanwhile', async () => {
    const { rotator, authority } = setup();
    authority.hold();
    rotator.start();
    await settled();
    rotator.renewNow();
    rotator.renewNow();
    assert.equal(authority.requests, 1);
    authority.release();
    await settled();
    assert.equal(authority.requests, 2);
    assert.equal(rotator.state.issued, 2);
    rotator.stop();
    rotator.renewNow();
    assert.equal(authority.requests, 2);
  });

  it('follows a rotation of roots: certificates of the old and the new one are taken while both are trusted', async () => {
    const { rotator, authority, bundle } = setup();
    rotator.start();
    await settled();
    const next = forgeRoot('next');
    authority.changes = { issuer: next };
    bundle.add(next.certificatePem);
    bundle.onChange(() => rotator.renewNow());
    bundle.remove(bundle.roots[0]?.fingerprint ?? '');
    await settled();
    assert.equal(rotator.state.issued, 2);
    assert.equal(rotator.state.failures, 0);
    rotator.stop();
  });

  it('tells listeners of each certificate, and lives on when one throws', async () => {
    const lines: string[] = [];
    const { rotator } = setup({}, lines);
    const seen: string[] = [];
    rotator.onChange(() => {
      throw new Error('broken listener');
    });
    const remove = rotator.onChange(({ serialHex }) => seen.push(serialHex));
    rotator.start();
    await settled();
    rotator.renewNow();
    await settled();
    remove();
    rotator.renewNow();
    await settled();
    assert.equal(seen.length, 2);
    assert.equal(rotator.state.issued, 3);
    assert.match(lines.join(''), /broken listener/);
    rotator.stop();
  });

  it('may be stopped by a listener', async () => {
    const { rotator, clock } = setup();
    rotator.onChange(() => rotator.stop());
    rotator.start();
    await settled();
    assert.equal(clock.pendingTimers, 0);
    assert.equal(rotator.state.phase, 'stopped');
  });

  it('renews an inherited certificate by its age, not by that of the process', async () => {
    const { rotator: before, clock } = setup();
    before.start();
    await settled();
    before.stop();
    const { current, arrivedAtMs } = before;
    assert.ok(current !== undefined && arrivedAtMs !== undefined);
    clock.advance(LIFE_MS * 0.3);
    const { rotator, authority } = setup({ clock });
    rotator.inherit(current, arrivedAtMs);
    rotator.start();
    await pass(clock, LIFE_MS * 0.1 - 2000);
    assert.equal(rotator.current, current);
    assert.equal(authority.requests, 0);
    await pass(clock, LIFE_MS * 0.1 + 2000);
    assert.equal(rotator.state.issued, 1);
    rotator.stop();

    const late = setup({ clock });
    clock.advance(LIFE_MS * 0.3);
    late.authority.fail = new Error('authority is down');
    late.rotator.inherit(current, arrivedAtMs);
    late.rotator.start();
    await settled();
    assert.equal(late.authority.requests, 1);
    // Of its own time, not of that since the process began.
    assert.equal(late.rotator.state.alarm, 'warning');
    late.rotator.stop();
    assert.equal(clock.pendingTimers, 0);
  });

  it('refuses windows that are none', () => {
    for (const window of [
      { latestRatio: 1 },
      { latestRatio: 0 },
      { jitterRatio: 0.5 },
      { jitterRatio: -1 },
    ]) {
      assert.throws(() => setup({ window }), RangeError);
    }
  });
});

describe('renewalAlarm', () => {
  it('is silent without failures and loudest without time', () => {
    assert.equal(renewalAlarm(0, 0.05), 'none');
    assert.equal(renewalAlarm(0, 0), 'expired');
    assert.equal(renewalAlarm(0, undefined), 'none');
    assert.equal(renewalAlarm(1, undefined), 'critical');
    assert.equal(renewalAlarm(1, 0.5), 'notice');
    assert.equal(renewalAlarm(9, 0.25), 'warning');
    assert.equal(renewalAlarm(1, 0.1), 'critical');
  });
});

/** An authority that does what the test says. */
class FakeAuthority {
  requests = 0;
  readonly csrs: string[] = [];
  readonly signals: AbortSignal[] = [];
  fail: Error | undefined;
  changes: ForgeOptions = {};
  #held: Promise<void> | undefined;
  #release: (() => void) | undefined;

  hold(): void {
    this.#held = new Promise((resolve) => (this.#release = resolve));
  }

  release(): void {
    this.#held = undefined;
    this.#release?.();
  }

  async sign(csr: string, signal: AbortSignal, issue: (changes: ForgeOptions) => string): Promise<string> {
    this.requests++;
    this.csrs.push(csr);
    this.signals.push(signal);
    await this.#held;
    if (this.fail !== undefined) throw this.fail;
    return issue(this.changes);
  }
}

function setup(
  changes: Partial<CertificateRotatorOptions> & { readonly random?: Random; readonly clock?: FakeClock } = {},
  lines: string[] = [],
  lifeMs = LIFE_MS,
) {
  const { clock = new FakeClock(Date.UTC(2026, 10, 21)) } = changes;
  const root = forgeRoot('root');
  const bundle = new TrustBundle({ trustDomain: 'td', roots: root.certificatePem });
  const authority = new FakeAuthority();
  let keyPair: WorkloadKeyPair | undefined;
  const rotator = new CertificateRotator({
    spiffeId,
    clock,
    random: createSeededRandom(7),
    trustBundle: bundle,
    logger: createLogger({ component: 'test', sink: { write: (line) => lines.push(line) }, clock }),
    generateKeyPair: () => (keyPair = generateWorkloadKeyPair()),
    sign: (csr, signal) => {
      const own = keyPair as WorkloadKeyPair;
      return authority.sign(
        csr,
        signal,
        (forge) =>
          forgeCertificate({
            issuer: root,
            keyPair: own,
            names: [uriName(spiffeId.uri)],
            notBeforeMs: clock.nowMs() - 60_000,
            notAfterMs: clock.nowMs() + lifeMs,
            ...forge,
          }).certificatePem,
      );
    },
    ...changes,
  });
  return { rotator, clock, authority, bundle, root };
}

function pick(rotator: CertificateRotator) {
  const { phase, alarm, consecutiveFailures, lastError } = rotator.state;
  return { phase, alarm, consecutiveFailures, lastError };
}

/** Lets time pass from timer to timer, so that what a timer starts can end before the next one. */
async function pass(clock: FakeClock, byMs: number): Promise<void> {
  let leftMs = byMs;
  for (;;) {
    const stepMs = Math.min(leftMs, clock.nextTimerInMs ?? Infinity);
    clock.advance(stepMs);
    await settled();
    leftMs -= stepMs;
    if (leftMs <= 0) return;
  }
}

/** Lets every promise that can settle do so. */
async function settled(): Promise<void> {
  await nextTurn();
  await nextTurn();
}
