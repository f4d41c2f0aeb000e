import { execFile } from 'node:child_process';
import { request } from 'node:http';

const TIMEOUT_MS = 5_000;

/** Calls a sidecar without any certificate, as a program outside the mesh would. undefined: no HTTP answer came. */
export function plaintextAnswer(host: string, port: number, path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const sent = request({ host, port, path, agent: false, timeout: TIMEOUT_MS }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(undefined));
    sent.end();
  });
}

/** The same from where only another process can be: `enter` are the words before its command. */
export function plaintextAnswerFrom(
  enter: readonly string[],
  host: string,
  port: number,
  path: string,
): Promise<number | undefined> {
  const [command = '', ...args] = [...enter, process.execPath, '-e', CALL, `http://${host}:${port}${path}`];
  return new Promise((resolve) => {
    execFile(command, args, { timeout: TIMEOUT_MS }, (_error, stdout) => {
      resolve(/^\d{3}$/.test(stdout) ? Number(stdout) : undefined);
    });
  });
}

const CALL = `
require('node:http').get(process.argv[1], { agent: false }, (response) => {
  process.stdout.write(String(response.statusCode), () => process.exit(0));
}).on('error', () => process.exit(1));
`;
