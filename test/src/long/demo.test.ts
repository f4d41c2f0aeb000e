import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { RunningProgram } from '../support/running-program.js';

/** Each is a line that begins with `ok`; one more is about the load throughout. */
const STEPS = 20;

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));

describe('heddle demo', () => {
  it(
    'tells its story without a person: every step holds, and no request of the steady load fails',
    { timeout: 300_000 },
    async () => {
      const demo = new RunningProgram(process.execPath, [heddle, 'demo', '--check']);
      const { code } = await demo.ended();
      // What failed comes first: reports cut long texts.
      const report = `${demo.output.match(/^FAILED.*(?:\n {2,}.*)*/gm)?.join('\n') ?? ''}\n${demo.output}`;
      assert.equal(code, 0, report);
      assert.equal(demo.output.match(/^ok /gm)?.length, STEPS + 1, report);
      assert.doesNotMatch(demo.output, /FAILED/, report);
    },
  );

  it('leaves nothing behind when it is interrupted', { skip: noProc(), timeout: 120_000 }, async () => {
    const demo = new RunningProgram(process.execPath, [heddle, 'demo']);
    await eventually(
      () => demo.output.includes('The gateway: '),
      () => demo.output,
      90_000,
    );
    const folder = /(\S*heddle-demo-\w+)/.exec(commandLines().join('\n'))?.[1];
    assert.ok(folder !== undefined, 'no program of the mesh is running');
    demo.kill('SIGINT');
    const { code } = await demo.ended();
    assert.equal(code, 0, demo.output);
    assert.deepEqual(
      commandLines().filter((line) => line.includes(folder)),
      [],
    );
  });
});

function noProc(): string | false {
  return process.platform === 'linux' ? false : 'needs /proc to see what is still running';
}

/** The command lines of all processes of this machine. */
function commandLines(): string[] {
  const lines: string[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      lines.push(readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      // It ended meanwhile.
    }
  }
  return lines;
}
