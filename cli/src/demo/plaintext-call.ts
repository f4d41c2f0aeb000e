import { request } from 'node:http';

/** Calls a sidecar without any certificate, as a program outside the mesh would. undefined: no HTTP answer came. */
export function plaintextAnswer(port: number, path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, path, agent: false, timeout: 5_000 }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(undefined));
    sent.end();
  });
}
