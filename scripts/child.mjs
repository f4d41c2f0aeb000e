// Child processes of the scripts: their signals, their exit codes, their output.
import { spawn } from 'node:child_process';
import { root } from './workspaces.mjs';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs `node` with arguments from the root and waits for its end. Signals are passed on; an end by signal counts as
 * 128 + its number, as in a shell. With `onOutput` the output is handed over chunk by chunk instead of being inherited.
 */
export function runNode(args, { onOutput, env } = {}) {
  return run(process.execPath, args, { onOutput, env });
}

export function run(file, args, { onOutput, env } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = onOutput ? ['ignore', 'pipe', 'pipe'] : 'inherit';
    const child = spawn(file, args, { cwd: root, stdio, env: { ...process.env, ...env } });
    const forward = (signal) => void child.kill(signal);
    for (const signal of FORWARDED) process.on(signal, forward);
    if (onOutput) {
      child.stdout.setEncoding('utf8').on('data', onOutput);
      child.stderr.setEncoding('utf8').on('data', onOutput);
    }
    const settle = (finish) => {
      for (const signal of FORWARDED) process.off(signal, forward);
      finish();
    };
    child.once('error', (error) => settle(() => reject(error)));
    child.once('close', (code, signal) => settle(() => resolve(code ?? 128 + signalNumber(signal))));
  });
}

function signalNumber(signal) {
  return { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }[signal] ?? 0;
}
