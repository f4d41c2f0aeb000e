import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LAUNCHED_IN, endLeftOvers } from './left-overs.js';

describe(
  'what a killed launcher left running',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  () => {
    it('is ended with what it started itself, and nothing of another state folder is', async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'heddle-left-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const script =
        'const c = require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"]);' +
        'process.stdout.write(String(c.pid)); setInterval(() => {}, 1e6)';
      const start = (stateFolder: string) =>
        spawn(process.execPath, ['-e', script], {
          env: { [LAUNCHED_IN]: stateFolder },
          stdio: ['ignore', 'pipe', 'ignore'],
        });
      const ours = start(folder);
      const others = start(`${folder}-2`);
      const [, grandchild] = await Promise.all(
        [others, ours].map(
          (child) => new Promise<number>((done) => child.stdout.once('data', (text) => done(Number(text)))),
        ),
      );
      const ended = new Promise((done) => ours.once('exit', (_code, signal) => done(signal)));
      assert.equal(endLeftOvers(folder), 2);
      assert.equal(await ended, 'SIGKILL');
      assert.equal(endLeftOvers(folder), 0, `${grandchild} still runs`);
      assert.equal(endLeftOvers(`${folder}-2`), 2);
    });
  },
);
