import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import type { ReportedAuthority, ReportedHolder, RotationPhase } from '../../launcher/ca-reports.js';
import { RotationStuck, rotateRoot, type RotationClient } from './rotate-root.js';

describe('a root rotation by command', () => {
  it('takes each step when everybody has come along with the one before, and no sooner', async () => {
    const mesh = new FakeMesh(['web', 'db']);
    const done = mesh.rotate();
    await mesh.polls(3);
    assert.deepEqual(mesh.steps, ['begin']);
    mesh.learn('web');
    await mesh.polls(3);
    assert.deepEqual(mesh.steps, ['begin']);
    mesh.learn('db');
    await mesh.polls(3);
    assert.deepEqual(mesh.steps, ['begin', 'switch']);
    mesh.learn('web', 'db');
    mesh.renew('web');
    await mesh.polls(3);
    assert.deepEqual(mesh.steps, ['begin', 'switch']);
    mesh.renew('db');
    await mesh.polls(3);
    assert.deepEqual(mesh.steps, ['begin', 'switch', 'finish force']);
    assert.equal((await done).rotation, 'steady');
    assert.ok(mesh.progress.includes('1 of 2 workloads trust both roots'));
  });

  it('waits for whoever is away', async () => {
    const mesh = new FakeMesh(['web', 'db']);
    const done = mesh.rotate();
    await mesh.polls(1);
    mesh.learn('web', 'db');
    mesh.setPresence('db', 'away');
    await mesh.polls(5);
    assert.deepEqual(mesh.steps, ['begin']);
    mesh.setPresence('db', 'connected');
    await mesh.polls(3);
    mesh.learn('web', 'db');
    mesh.renew('web', 'db');
    await mesh.polls(3);
    await done;
  });

  it('stops where somebody does not come along, names it, and goes on from there the next time', async () => {
    const mesh = new FakeMesh(['web', 'db']);
    const stuck = mesh.rotate().catch((error: unknown) => error);
    await mesh.polls(1);
    mesh.learn('web');
    await mesh.polls(300);
    const error = await stuck;
    assert.ok(error instanceof RotationStuck);
    assert.match(error.message, /within 60 s: db\./);
    assert.deepEqual(mesh.steps, ['begin']);

    const done = mesh.rotate();
    await mesh.polls(3);
    assert.deepEqual(mesh.steps, ['begin'], 'no second root');
    for (let i = 0; i < 2; i++) {
      mesh.learn('web', 'db');
      mesh.renew('web', 'db');
      await mesh.polls(3);
    }
    await done;
    assert.deepEqual(mesh.steps, ['begin', 'switch', 'finish force']);
  });

  it('begins only when heddled has run long enough to know who is there', async () => {
    const mesh = new FakeMesh([]);
    const done = mesh.rotate({ settleMs: 30_000 });
    await mesh.polls(100);
    assert.deepEqual(mesh.steps, []);
    await mesh.polls(30);
    await done;
    assert.deepEqual(mesh.steps, ['begin', 'switch', 'finish force']);
  });
});

/** A mesh whose workloads do what the test says. */
class FakeMesh implements RotationClient {
  readonly clock = new FakeClock();
  readonly steps: string[] = [];
  readonly progress: string[] = [];
  readonly #startedAt = new Date(this.clock.nowMs()).toISOString();
  #phase: RotationPhase = 'steady';
  #roots = ['old'];
  readonly #holders: Map<string, ReportedHolder>;

  constructor(names: readonly string[]) {
    this.#holders = new Map(
      names.map((id) => [
        id,
        {
          id,
          identity: id,
          presence: 'connected',
          provenBy: 'certificate',
          root: 'old',
          provenUntil: '',
          knowsRoots: true,
        },
      ]),
    );
  }

  rotate(options?: { readonly settleMs: number }): Promise<ReportedAuthority>;
  rotate(step: 'begin' | 'switch' | 'finish', force?: boolean): Promise<ReportedAuthority>;
  rotate(what?: string | { readonly settleMs: number }, force = false): Promise<ReportedAuthority> {
    if (typeof what === 'string') return this.#step(what, force);
    return rotateRoot({
      client: this,
      clock: this.clock,
      timeoutMs: 60_000,
      settleMs: what?.settleMs ?? 0,
      onProgress: (text) => this.progress.push(text),
    });
  }

  authority(): Promise<ReportedAuthority> {
    const signer = this.#phase === 'switched' ? 'new' : this.#roots[0];
    return Promise.resolve({
      trustDomain: 'td',
      rotation: this.#phase,
      roots: this.#roots.map((fingerprint) => ({ fingerprint, notAfter: '', signs: fingerprint === signer })),
      issued: 0,
      refused: {},
      serving: { alarm: 'none' },
    });
  }

  holders(): Promise<readonly ReportedHolder[]> {
    return Promise.resolve([...this.#holders.values()]);
  }

  startedAt(): Promise<string> {
    return Promise.resolve(this.#startedAt);
  }

  learn(...ids: readonly string[]): void {
    for (const id of ids) this.#change(id, { knowsRoots: true });
  }

  renew(...ids: readonly string[]): void {
    for (const id of ids) this.#change(id, { root: 'new' });
  }

  setPresence(id: string, presence: ReportedHolder['presence']): void {
    this.#change(id, { presence });
  }

  /** Lets the command look as often as that. */
  async polls(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.clock.advance(250);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  #step(step: string, force: boolean): Promise<ReportedAuthority> {
    this.steps.push(force ? `${step} force` : step);
    this.#phase = step === 'begin' ? 'distributing' : step === 'switch' ? 'switched' : 'steady';
    this.#roots = step === 'finish' ? ['new'] : ['old', 'new'];
    for (const id of this.#holders.keys()) this.#change(id, { knowsRoots: false });
    return this.authority();
  }

  #change(id: string, change: Partial<ReportedHolder>): void {
    this.#holders.set(id, { ...(this.#holders.get(id) as ReportedHolder), ...change });
  }
}
