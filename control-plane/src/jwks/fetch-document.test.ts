import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net';
import { after, describe, it } from 'node:test';
import { FakeClock, systemClock, type Clock } from '@heddle/common';
import { createAddressGuard } from './address-guard.js';
import { fetchDocument } from './fetch-document.js';

const loopback = createAddressGuard({ allowLoopback: true });

describe('fetchDocument', () => {
  const servers: (Server | TcpServer)[] = [];
  after(() => servers.forEach((server) => server.close()));

  it('gets a text, and follows a few redirects', async () => {
    const url = await serve((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left > 0) response.writeHead(302, { location: `/${left - 1}` }).end();
      else response.end('{"keys":[]}');
    });
    assert.equal(await fetched(`${url}/0`), '{"keys":[]}');
    assert.equal(await fetched(`${url}/3`), '{"keys":[]}');
    await assert.rejects(fetched(`${url}/4`), /more than 3 redirects/);
  });

  it('is not redirected to where it may not go', async () => {
    let location = '';
    const url = await serve((_, response) => response.writeHead(307, { location }).end());
    for (const [target, reason] of [
      ['http://169.254.169.254/latest/meta-data', /link-local or metadata/],
      ['http://[::ffff:169.254.169.254]/', /link-local or metadata/],
      ['http://[64:ff9b::a00:1]/', /clothes of IPv6/],
      ['file:///etc/passwd', /not http or https/],
      ['http://0/', /not an address of one machine/],
    ] as const) {
      location = target;
      await assert.rejects(fetched(url), reason, target);
    }
  });

  it('refuses loopback by address and by name unless it is allowed', async () => {
    let asked = 0;
    const url = await serve((_, response) => {
      asked++;
      response.end('x');
    });
    const guard = createAddressGuard({ allowLoopback: false });
    const { port } = new URL(url);
    for (const host of ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::1]']) {
      const call = fetchDocument(`http://${host}:${port}/`, options({ guard }));
      await assert.rejects(call, /loopback/, host);
    }
    assert.equal(asked, 0);
  });

  it('gives up on an answer that is too long, with or without a length', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/length') response.setHeader('content-length', 1_000_000);
      const write = (): void => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
        if (!response.destroyed) response.once('drain', write);
      };
      write();
    });
    for (const path of ['/length', '/chunked']) {
      await assert.rejects(fetched(url + path), /longer than 100000 bytes/);
    }
  });

  it('gives up on a server that says nothing, or a byte now and then', async () => {
    for (const begins of [false, true]) {
      const clock = new FakeClock();
      const url = await serve((_, response) => {
        if (begins) response.write('{');
        clock.advance(5_000);
      });
      await assert.rejects(fetched(url, clock), /no answer within 5000 ms/);
    }
  });

  it('says what is wrong with other answers', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/503') response.writeHead(503).end();
      else if (request.url === '/nowhere') response.writeHead(302).end();
      else {
        response.setHeader('content-length', 10);
        response.write('half', () => response.destroy());
      }
    });
    await assert.rejects(fetched(`${url}/503`), /answered with status 503/);
    await assert.rejects(fetched(`${url}/nowhere`), /redirected to nowhere/);
    await assert.rejects(fetched(`${url}/half`), /broke off|aborted|ECONNRESET/);
    const garbage = createTcpServer((socket) => socket.end('not HTTP at all\r\n\r\n'));
    servers.push(garbage);
    await new Promise<void>((resolve) => garbage.listen(0, '127.0.0.1', resolve));
    const { port } = garbage.address() as AddressInfo;
    await assert.rejects(fetched(`http://127.0.0.1:${port}/`), /Parse Error/);
    await assert.rejects(fetched('https://127.0.0.1:1/'), /ECONNREFUSED/);
    await assert.rejects(fetched('http://name-that-does-not-exist.invalid/'), /ENOTFOUND|EAI_AGAIN/);
  });

  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
});

function fetched(url: string, clock: Clock = systemClock): Promise<string> {
  return fetchDocument(url, options({ clock }));
}

function options(more: Partial<Parameters<typeof fetchDocument>[1]>): Parameters<typeof fetchDocument>[1] {
  return { timeoutMs: 5_000, maxBytes: 100_000, guard: loopback, clock: systemClock, ...more };
}
