import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';
import { publicKeySet } from '../support/jwt-issuer.js';
import { startControlPlane, type RunningControlPlane } from './mesh-folder.js';

/** What servers of keys can do to heddled, and what policies can make it do. */
describe('heddled and servers of keys', () => {
  const servers: Server[] = [];
  const urls: Record<string, string> = {};
  let plane: RunningControlPlane;
  let startMs = 0;

  before(async () => {
    for (const [name, listener] of Object.entries(HOSTILE)) urls[name] = await serve(listener, servers);
    urls['good'] = await serve((_, response) => response.end(publicKeySet(['rsa'])), servers);
    urls['absent'] = 'http://127.0.0.1:1';
    const began = performance.now();
    plane = await startControlPlane({ 'jwt.yaml': policiesFor(urls) });
    startMs = performance.now() - began;
  });
  after(async () => {
    await plane.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  it('starts within its five seconds, however slow they are', () =>
    assert.ok(startMs < 8_000, `${startMs} ms`));

  it('says of each what is wrong, and fetches from the good one', async () => {
    for (const [name, reason] of Object.entries(REASONS)) {
      await eventually(
        async () => reason.test((await problemsOf(plane))[name] ?? ''),
        () => `${name}: ${reason}`,
      );
    }
    assert.equal((await problemsOf(plane))['good'], undefined);
    const { body } = await httpCall(plane.apiPort, '/metrics');
    assert.match(body, new RegExp(`^heddled_key_sets_missing ${Object.keys(REASONS).length}$`, 'm'));
    assert.match(body, new RegExp(`^heddled_key_sets ${Object.keys(urls).length}$`, 'm'));
  });

  it('goes on serving', async () => {
    const { status } = await httpCall(plane.apiPort, '/api/v1/resources');
    assert.equal(status, 200);
  });
});

describe('heddled that may not call its own machine', () => {
  it('sends a server of keys there no request, by whatever name', async () => {
    const servers: Server[] = [];
    let asked = 0;
    const url = await serve((_, response) => {
      asked++;
      response.end(publicKeySet(['rsa']));
    }, servers);
    const { port } = new URL(url);
    const plane = await startControlPlane(
      {
        'jwt.yaml': policiesFor({
          address: url,
          name: `http://localhost:${port}`,
          six: `http://[::1]:${port}`,
        }),
      },
      { keysFromLoopback: false },
    );
    try {
      for (const name of ['address', 'name', 'six']) {
        await eventually(
          async () => /loopback/.test((await problemsOf(plane))[name] ?? ''),
          () => `${name} is not refused`,
        );
      }
      assert.equal(asked, 0);
    } finally {
      await plane.close();
      servers.forEach((server) => server.close());
    }
  });
});

const HOSTILE: Readonly<Record<string, RequestListener>> = {
  slow: () => undefined,
  dripping: (_, response) => {
    response.write('{');
    const timer = setInterval(() => response.write(' '), 100);
    response.on('close', () => clearInterval(timer));
  },
  huge: (_, response) => {
    const write = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
      if (!response.destroyed) response.once('drain', write);
    };
    write();
  },
  html: (_, response) => response.end('<html>login</html>'),
  empty: (_, response) => response.end('{"keys":[]}'),
  weak: (_, response) => response.end('{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}'),
  secret: (_, response) => response.end('{"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0"}]}'),
  nested: (_, response) => response.end('['.repeat(100_000)),
  failing: (_, response) => response.writeHead(500).end(),
  metadata: (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
  loop: (request, response) => response.writeHead(302, { location: request.url ?? '/' }).end(),
  broken: (_, response) => {
    response.setHeader('content-length', 100);
    response.write('{', () => response.destroy());
  },
};

const REASONS: Readonly<Record<string, RegExp>> = {
  slow: /no answer within 1000 ms/,
  dripping: /no answer within 1000 ms/,
  huge: /longer than 262144 bytes/,
  html: /not JSON/,
  empty: /no key that could verify/,
  weak: /no key that could verify/,
  secret: /no public key/,
  nested: /not JSON/,
  failing: /status 500/,
  metadata: /link-local or metadata/,
  loop: /more than 3 redirects/,
  broken: /broke off|aborted|hang up/,
  absent: /ECONNREFUSED/,
};

/** A policy for each, named like it. */
function policiesFor(urls: Readonly<Record<string, string>>): string {
  return Object.entries(urls)
    .map(
      ([name, url]) => `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: ${name} }
spec:
  jwtRules: [{ issuer: 'https://${name}.example', jwksUri: '${url}/keys', timeout: 1s }]
`,
    )
    .join('---\n');
}

/** By the name of the policy. */
async function problemsOf(plane: RunningControlPlane): Promise<Readonly<Record<string, string>>> {
  const { body } = await httpCall(plane.apiPort, '/api/v1/problems');
  const { problems } = JSON.parse(body) as {
    readonly problems: readonly { readonly message: string; readonly resource?: { readonly name: string } }[];
  };
  return Object.fromEntries(
    problems
      .filter(({ message }) => message.includes('cannot be fetched'))
      .map(({ message, resource }) => [resource?.name ?? '', message]),
  );
}

async function serve(listener: RequestListener, servers: Server[]): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
