import { request } from 'node:http';

/** What a proxy's admin server answers. Errors: it does not within 5 s, or not with 200. */
export function adminCall(
  method: 'GET' | 'POST',
  port: number,
  path: string,
  host = '127.0.0.1',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host, port, path, method, agent: false, timeout: 5_000 };
    const sent = request(options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(body);
        else reject(new Error(`${path} was answered with ${response.statusCode}: ${body.trim()}`));
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer within 5 s')));
    sent.on('error', reject);
    sent.end();
  });
}
