import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';

const page = readFileSync(new URL('../../../docs/tutorial.md', import.meta.url), 'utf8');
const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));

/** A part of the page that means something to this test: the comment before a fence, the fence, and the output after it. */
interface Step {
  readonly comment: string;
  readonly content: string;
  readonly output: string;
}

/** A command of the page under way. */
interface Running {
  readonly child: ChildProcess;
  readonly closed: Promise<void>;
  output: string;
}

const missing = ['bash', 'curl'].find((program) => !isThere(program));

describe('the tutorial', { skip: missing === undefined ? false : `no ${missing} here` }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-tutorial-'));
  const background: Running[] = [];
  const environment = {
    ...process.env,
    NO_COLOR: '1',
    PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`,
  };

  after(async () => {
    for (const { child, closed } of background.reverse()) {
      // A group of its own: what the shell started ends with it.
      if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
      await closed;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  const told = (): string => background.map(({ output }) => output).join('\n');

  function start(script: string): Running {
    const child = spawn('bash', ['-c', script], {
      cwd: folder,
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const running: Running = { child, closed, output: '' };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (running.output += text));
    return running;
  }

  async function run(script: string): Promise<string> {
    const running = start(script);
    await running.closed;
    return running.output;
  }

  it('does what it says, command by command', { timeout: 170_000 }, async () => {
    const port = await freePort();
    mkdirSync(join(folder, 'bin'));
    const shim = join(folder, 'bin', 'heddle');
    writeFileSync(shim, `#!/bin/sh\nexec '${process.execPath}' '${heddle}' "$@"\n`);
    chmodSync(shim, 0o755);
    const steps = stepsOf(page.replaceAll('8080', String(port)));
    assert.ok(steps.length > 15, `${steps.length} steps`);
    for (const { comment, content, output } of steps) {
      const file = /^file: (\S+)$/.exec(comment)?.[1];
      if (file !== undefined) {
        mkdirSync(dirname(join(folder, file)), { recursive: true });
        writeFileSync(join(folder, file), content);
      } else if (comment.startsWith('run in the background')) {
        const running = start(content);
        background.push(running);
        const awaited = comment.split('until: ')[1]?.split(', ') ?? [];
        await eventually(() => awaited.every((text) => running.output.includes(text)), told, 90_000);
      } else if (comment === 'run eventually') {
        let last = '';
        await eventually(
          async () => why((last = await run(content)), output) === undefined,
          () => `${content}${last}\n${told()}`,
          60_000,
        );
      } else {
        assert.equal(comment, 'run');
        const printed = await run(content);
        assert.equal(why(printed, output), undefined, `${content}${printed}\n${told()}`);
      }
    }
  });
});

function stepsOf(text: string): readonly Step[] {
  const form = /<!-- ([^\n]+) -->\n\n```\w+\n(.*?)```\n(?:\n```text\n(.*?)```\n)?/gs;
  return [...text.matchAll(form)].map(([, comment = '', content = '', output = '']) => ({
    comment,
    content,
    output,
  }));
}

/** The first line of the page that was not printed in its order, if there is one. `…` and runs of spaces stand for anything. */
function why(printed: string, expected: string): string | undefined {
  const lines = printed.split('\n');
  let at = 0;
  for (const line of expected.split('\n').filter((one) => one !== '')) {
    const parts = line.split(/…| {2,}/).map((part) => part.trim());
    const form = new RegExp(parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*'));
    const found = lines.findIndex((one, i) => i >= at && form.test(one));
    if (found === -1) return line;
    at = found + 1;
  }
  return undefined;
}

function isThere(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
