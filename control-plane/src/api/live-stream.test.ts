import assert from 'node:assert/strict';
import { request, type IncomingMessage } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { silentLogger } from '@heddle/common';
import { ApiServer } from './api-server.js';
import { createDashboardRoutes } from './dashboard-files.js';
import { LiveStream } from './live-stream.js';

describe('pages that follow what happens', () => {
  const live = new LiveStream({ maxWatchers: 2 });
  let count = 0;
  const make = (key: string): unknown => ({ key, count });
  const server = new ApiServer({
    routes: [
      {
        method: 'GET',
        path: '/live',
        summary: 'A stream.',
        writes: false,
        handle: () => live.open(new Map([['graph', 'graph']]), make),
      },
      ...createDashboardRoutes(),
    ],
    token: 'token',
    allowedHosts: [],
    log: silentLogger,
  });
  let port = 0;
  before(async () => {
    port = await server.listen('127.0.0.1', 0);
  });
  after(async () => {
    live.close();
    await server.close();
  });

  it('are told what there is, then every change, and nothing twice', async () => {
    const watcher = await watch(port);
    await watcher.until('"count":0');
    live.publish(make);
    count = 1;
    live.publish(make);
    await watcher.until('"count":1');
    assert.equal(watcher.text().match(/event: graph/g)?.length, 2);
    watcher.close();
    await watcher.closed;
  });

  it('are at most so many, and make room when they leave', async () => {
    const watchers = [await watch(port), await watch(port)];
    assert.equal((await get(port, '/live')).status, 503);
    for (const watcher of watchers) watcher.close();
    await Promise.all(watchers.map(({ closed }) => closed));
    while (live.size > 0) await new Promise((resolve) => setImmediate(resolve));
    const again = await watch(port);
    again.close();
  });

  it('are files with a policy that allows their own scripts and nothing else, and are not sent again when they are known', async () => {
    const page = await get(port, '/');
    assert.equal(page.status, 200);
    assert.match(page.body, /<script type="module" src="\/dashboard\/main\.js">/);
    assert.doesNotMatch(page.body, /<script(?![^>]* src=)|<style| style=| on\w+=/);
    assert.equal(
      page.headers['content-security-policy'],
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    );
    assert.equal(page.headers['x-content-type-options'], 'nosniff');
    const known = await get(port, '/', { 'if-none-match': String(page.headers['etag']) });
    assert.equal(known.status, 304);
    assert.equal(
      (await get(port, '/dashboard/main.js')).headers['content-type'],
      'text/javascript; charset=utf-8',
    );
    assert.equal((await get(port, '/dashboard/..%2fpackage.json')).status, 404);
    assert.equal((await get(port, '/', { host: 'evil.example' })).status, 403);
    assert.equal((await get(port, '/live', { origin: 'http://evil.example' })).status, 403);
  });
});

function open(port: number, path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, agent: false }, resolve);
    sent.on('error', reject);
    sent.end();
  });
}

async function get(port: number, path: string, headers: Record<string, string> = {}) {
  const response = await open(port, path, headers);
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk);
  return { status: response.statusCode, headers: response.headers, body };
}

async function watch(port: number) {
  const response = await open(port, '/live');
  assert.equal(response.statusCode, 200);
  let text = '';
  let onData = (): void => undefined;
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    onData();
  });
  const closed = new Promise<void>((resolve) => response.on('close', () => resolve()));
  return {
    text: () => text,
    until: (wanted: string) =>
      new Promise<void>((resolve) => {
        onData = () => {
          if (text.includes(wanted)) resolve();
        };
        onData();
      }),
    close: () => response.destroy(),
    closed,
  };
}
