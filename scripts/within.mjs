// Runs a command with a time limit: node scripts/within.mjs SECONDS COMMAND [ARGUMENT…]
//
// Like timeout(1), but by the monotonic clock: a virtual machine that was paused comes back with the time of day
// moved, and timeout(1) would end a suite that was given no time at all. Ends with 124 when the time was up.
import { spawn } from 'node:child_process';

/** How long a command that was asked to end may take for it. */
const KILL_AFTER_MS = 30_000;
const TIMED_OUT = 124;

const [seconds, command, ...args] = process.argv.slice(2);
if (!(Number(seconds) > 0) || command === undefined) {
  process.stderr.write('usage: node scripts/within.mjs SECONDS COMMAND [ARGUMENT…]\n');
  process.exit(2);
}

// A group of its own: what the command has started ends with it.
const child = spawn(command, args, { stdio: 'inherit', detached: true });
let timedOut = false;
let timer = setTimeout(
  () => {
    timedOut = true;
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  },
  Number(seconds) * 1000,
);

child.once('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(127);
});
child.once('exit', (code) => {
  clearTimeout(timer);
  process.exit(timedOut ? TIMED_OUT : (code ?? 1));
});
