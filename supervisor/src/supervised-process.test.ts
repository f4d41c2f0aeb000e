import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { systemClock, systemRandom } from '@heddle/common';
import { SupervisedProcess, type Crash } from './supervised-process.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-supervised-'));
after(() => rmSync(folder, { recursive: true }));

describe('SupervisedProcess', () => {
  it('tells how a program ended with its last words, and starts it again', async () => {
    const { program, crash, starts } = supervise(process.execPath, [
      '-e',
      'console.error("no luck"); process.exit(3)',
    ]);
    program.start();
    const first = await crash(1);
    assert.equal(first.how, 'exit code 3');
    assert.equal(first.wasStarted, true);
    assert.deepEqual(first.lastWords, ['no luck']);
    // The same words again say nothing new.
    assert.deepEqual((await crash(2)).lastWords, []);
    assert.ok(starts() >= 2);
    await program.stop(1_000);
  });

  it('says that there is no such program, or no such folder', async () => {
    const missing = supervise('no-such-program', []);
    missing.program.start();
    const { how, wasStarted } = await missing.crash(1);
    assert.equal(how, 'there is no program "no-such-program"');
    assert.equal(wasStarted, false);
    await missing.program.stop(1_000);
    const nowhere = supervise(process.execPath, ['-e', ''], join(folder, 'nowhere'));
    nowhere.program.start();
    assert.match((await nowhere.crash(1)).how, /its working directory .*nowhere does not exist/);
    await nowhere.program.stop(1_000);
  });

  it('ends what ignores SIGTERM, and starts nothing after that', async () => {
    const { program, starts } = supervise(process.execPath, [
      '-e',
      'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)',
    ]);
    program.start();
    const pid = program.pid;
    assert.ok(pid !== undefined);
    await program.stop(50);
    assert.throws(() => process.kill(pid, 0));
    program.start();
    assert.equal(program.pid, undefined);
    assert.ok(starts() <= 1);
  });
});

function supervise(command: string, args: readonly string[], workingDirectory = folder) {
  const crashes: Crash[] = [];
  let wake: () => void = () => undefined;
  let started = 0;
  const program = new SupervisedProcess({
    ...{ name: 'program', command, args, workingDirectory, environment: process.env },
    logFile: join(folder, `${Math.random()}.log`),
    clock: systemClock,
    random: systemRandom,
    onStart: () => started++,
    onCrash: (crash) => {
      crashes.push(crash);
      wake();
    },
  });
  const crash = async (number: number): Promise<Crash> => {
    while (crashes.length < number) await new Promise<void>((resolve) => (wake = resolve));
    return crashes[number - 1] as Crash;
  };
  return { program, crash, starts: () => started };
}
