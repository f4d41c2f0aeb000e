import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { silentLogger } from '@heddle/common';
import type { ApiRoute } from './api-route.js';
import { ApiServer } from './api-server.js';
import { openApiDocument } from './open-api.js';

const TOKEN = 'secret-token';

describe('ApiServer', () => {
  const written: string[] = [];
  const routes: ApiRoute[] = [
    {
      method: 'GET',
      path: '/things/{name}',
      summary: 'One thing.',
      query: { depth: 'how deep' },
      writes: false,
      handle: ({ parameters, query }) => ({
        status: 200,
        body: { name: parameters['name'], depth: query.get('depth') },
      }),
    },
    {
      method: 'PUT',
      path: '/things/{name}',
      summary: 'Writes a thing.',
      bodyDescription: 'The thing.',
      writes: true,
      handle: ({ body }) => {
        written.push(body);
        return { status: 200, body: {} };
      },
    },
    {
      method: 'GET',
      path: '/broken',
      summary: 'Throws.',
      writes: false,
      handle: () => {
        throw new Error('a bug with private details');
      },
    },
  ];
  const server = new ApiServer({
    routes,
    token: TOKEN,
    allowedHosts: ['mesh.example'],
    log: silentLogger,
    maxBodyBytes: 100,
  });
  let port = 0;
  before(async () => {
    port = await server.listen('127.0.0.1', 0);
  });
  after(() => server.close());

  const call = (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body = '',
  ): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      });
      sent.on('error', reject);
      sent.end(body);
    });

  it('gives a handler the parameters of the path, decoded, and the query', async () => {
    const { status, body } = await call('GET', '/things/a%2Fb?depth=2');
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), { name: 'a/b', depth: '2' });
  });

  it('refuses a Host that is not its own, so that a rebound DNS name reaches nothing', async () => {
    assert.equal((await call('GET', '/things/a', { host: 'evil.example' })).status, 403);
    assert.equal((await call('GET', '/things/a', { host: `localhost:${port}` })).status, 200);
    assert.equal((await call('GET', '/things/a', { host: 'mesh.example' })).status, 200);
  });

  it('refuses requests whose Origin is another site', async () => {
    assert.equal((await call('GET', '/things/a', { origin: 'http://evil.example' })).status, 403);
    assert.equal((await call('GET', '/things/a', { origin: `http://127.0.0.1:${port}` })).status, 200);
  });

  it('writes only with the token', async () => {
    for (const authorization of ['', 'Bearer wrong-token1', `Bearer ${TOKEN}x`, TOKEN]) {
      assert.equal((await call('PUT', '/things/a', { authorization }, 'body')).status, 401, authorization);
    }
    assert.deepEqual(written, []);
    assert.equal((await call('PUT', '/things/a', { authorization: `Bearer ${TOKEN}` }, 'body')).status, 200);
    assert.deepEqual(written, ['body']);
  });

  it('refuses a body above its bound and unknown paths and methods, saying what is allowed', async () => {
    const authorization = `Bearer ${TOKEN}`;
    assert.equal((await call('PUT', '/things/a', { authorization }, 'x'.repeat(101))).status, 413);
    assert.equal((await call('GET', '/nowhere')).status, 404);
    const other = await call('DELETE', '/things/a');
    assert.equal(other.status, 405);
    assert.match(other.body, /GET or PUT/);
    assert.equal((await call('GET', '/things/%zz')).status, 404);
  });

  it('answers 500 without private details when a handler throws, and goes on serving', async () => {
    const { status, body } = await call('GET', '/broken');
    assert.equal(status, 500);
    assert.doesNotMatch(body, /private/);
    assert.equal((await call('GET', '/things/a')).status, 200);
  });

  it('is described by an OpenAPI document made from the routes', () => {
    const document = openApiDocument(routes, '1.0') as {
      paths: Record<string, Record<string, { security?: unknown }>>;
    };
    assert.deepEqual(Object.keys(document.paths), ['/things/{name}', '/broken']);
    assert.deepEqual(document.paths['/things/{name}']?.['put']?.security, [{ token: [] }]);
    assert.equal(document.paths['/things/{name}']?.['get']?.security, undefined);
  });
});
