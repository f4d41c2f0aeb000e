import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FakeClock, systemClock, systemRandom } from '@heddle/common';
import { HeldKeepsake } from './held-keepsake.js';
import { Keepsake, type Inheritance, type KeepsakeMessage } from './keepsake.js';
import { ListeningSockets } from './listening-sockets.js';
import { SupervisedProcess } from './supervised-process.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-keepsake-'));
after(() => rmSync(folder, { recursive: true }));

describe('a keepsake', () => {
  it('is what the process before left last', () => {
    const { clock, keepsake } = create();
    const [first, second] = [new FakeChild(), new FakeChild()];
    first.servedBy(keepsake);
    assert.equal(first.inherits(), undefined);
    first.keeps('one', clock.nowMs() + 1_000);
    first.keeps('two', clock.nowMs() + 1_000);
    second.servedBy(keepsake);
    assert.equal(second.inherits(), 'two');
    assert.equal(clock.pendingTimers, 1);
  });

  it('is forgotten at the end of its time, whichever clock says so', () => {
    const { clock, keepsake } = create();
    const child = new FakeChild();
    child.servedBy(keepsake);
    child.keeps('secret', clock.nowMs() + 1_000);
    clock.advance(999);
    assert.equal(child.inherits(), 'secret');
    clock.advance(1);
    assert.equal(child.inherits(), undefined);
    assert.equal(clock.pendingTimers, 0);
    child.keeps('secret', clock.nowMs() + 1_000);
    clock.jumpWall(2_000);
    assert.equal(child.inherits(), undefined);
    child.keeps('too late', clock.nowMs());
    assert.equal(child.inherits(), undefined);
    child.keeps('at no time', Number.NaN);
    assert.equal(child.inherits(), undefined);
  });

  it('is forgotten when the processes are stopped', () => {
    const { clock, keepsake } = create();
    const child = new FakeChild();
    child.servedBy(keepsake);
    child.keeps('secret', clock.nowMs() + 1_000);
    keepsake.forget();
    assert.equal(child.inherits(), undefined);
    assert.equal(clock.pendingTimers, 0);
  });

  it('takes nothing from a process that has no say, and nothing without a bound', () => {
    const { clock, keepsake } = create();
    const child = new FakeChild();
    let hasSay = true;
    child.servedBy(keepsake, () => hasSay);
    child.keeps('mine', clock.nowMs() + 1_000);
    hasSay = false;
    child.keeps('stale', clock.nowMs() + 1_000);
    assert.equal(child.inherits(), 'mine');
    hasSay = true;
    child.keeps('x'.repeat(1024 * 1024), clock.nowMs() + 1_000);
    assert.equal(child.inherits(), undefined, 'what it was before is not true any more');
  });

  it('is nothing where the supervisor is too old to answer', async () => {
    const clock = new FakeClock();
    const asked = new HeldKeepsake({ connected: true, send: () => undefined, on: () => undefined }).inherit(
      clock,
    );
    clock.advance(1_000);
    assert.equal(await asked, undefined);
  });

  it('is nothing, at once, where the supervisor is gone', async () => {
    const channel = new FakeChannel();
    const held = new HeldKeepsake(channel);
    const asked = held.inherit(systemClock);
    channel.connected = false;
    channel.emit('disconnect');
    assert.equal(await asked, undefined);
    assert.equal(await held.inherit(systemClock), undefined);
    held.keep('unheard', 1);
    assert.deepEqual(channel.sent, [{ heddle: 'inherit' }]);
  });

  it('goes from a program that is killed to the next one, and on to the one that replaces it', async () => {
    const file = join(folder, 'program.mjs');
    const told = join(folder, 'told');
    writeFileSync(file, PROGRAM);
    writeFileSync(told, '');
    let ready: () => void = () => undefined;
    const program = new SupervisedProcess({
      name: 'program',
      command: process.execPath,
      args: [file, told],
      workingDirectory: folder,
      environment: process.env,
      clock: systemClock,
      random: systemRandom,
      sockets: new ListeningSockets(),
      onStart: () => undefined,
      onReady: () => ready(),
      onCrash: () => undefined,
    });
    const nextReady = (): Promise<void> => new Promise((resolve) => (ready = resolve));
    const first = nextReady();
    program.start();
    await first;
    const second = nextReady();
    process.kill(program.pid as number, 'SIGKILL');
    await second;
    assert.equal(await program.replace(10_000, 1_000), undefined);
    await program.stop(1_000);
    const lines = readFileSync(told, 'utf8').trimEnd().split('\n');
    const pids = lines.map((line) => line.split(' ')[0]);
    assert.deepEqual(
      lines.map((line) => line.split(' ')[1]),
      ['undefined', pids[0], pids[1]],
    );
  });
});

/** Writes who it is and what it inherited, and leaves its own process id. */
const PROGRAM = `
import { appendFileSync } from 'node:fs';
import { systemClock } from ${JSON.stringify(import.meta.resolve('@heddle/common'))};
import { supervisorOf } from ${JSON.stringify(new URL('./supervisor-link.js', import.meta.url).href)};
const supervisor = supervisorOf(process, process.env);
const { keepsake } = supervisor;
appendFileSync(process.argv[2], process.pid + ' ' + (await keepsake.inherit(systemClock)) + '\\n');
keepsake.keep(String(process.pid), Date.now() + 60_000);
supervisor.ready();
`;

function create() {
  const clock = new FakeClock();
  return { clock, keepsake: new Keepsake(clock) };
}

/** A child process as its supervisor sees it. */
class FakeChild extends EventEmitter {
  readonly connected = true;
  #answer: string | undefined;

  servedBy(keepsake: Keepsake, mayKeep: () => boolean = () => true): void {
    keepsake.serve(this as unknown as ChildProcess, mayKeep);
  }

  send(answer: Inheritance): void {
    this.#answer = answer.text;
  }

  keeps(text: string, untilMs: number): void {
    this.emit('message', { heddle: 'keep', text, untilMs } satisfies KeepsakeMessage);
  }

  inherits(): string | undefined {
    this.#answer = 'no answer';
    this.emit('message', { heddle: 'inherit' } satisfies KeepsakeMessage);
    return this.#answer;
  }
}

class FakeChannel extends EventEmitter {
  connected = true;
  readonly sent: unknown[] = [];

  send(message: unknown): void {
    this.sent.push(message);
  }
}
