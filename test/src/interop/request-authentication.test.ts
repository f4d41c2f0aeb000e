import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { proxyBootstrap } from '@heddle/cli';
import { silentLogger, systemClock, systemRandom } from '@heddle/common';
import { ControlPlane } from '@heddle/control-plane';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall, type HttpAnswer } from '../support/http-call.js';
import { FAR_FUTURE, token } from '../support/jwt-issuer.js';
import { KeyServer } from '../support/key-server.js';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';
import type { RunningProgram } from '../support/running-program.js';

/** A sidecar and a gateway under heddled, an issuer that comes and goes, and callers with and without tokens. */
for (const subject of [heddleProxy(), realEnvoy()]) {
  describe(`RequestAuthentication at ${subject.name}`, { skip: subject.missing ?? false }, () => {
    let folder = '';
    let plane: ControlPlane;
    let xdsPort = 0;
    let apiPort = 0;
    const ports = { gateway: 0, sidecar: 0 };
    const programs: RunningProgram[] = [];
    const issuer = new KeyServer();
    let application: Server;
    let seen: IncomingMessage['headers'] = {};

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'heddle-jwt-'));
      await mkdir(join(folder, 'mesh'));
      application = createServer((request, response) => {
        seen = request.headers;
        response.end('served');
      });
      await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
      const applicationPort = (application.address() as AddressInfo).port;
      await issuer.takePort();
      await write('mesh.yaml', meshYaml(applicationPort));
      await write('jwt.yaml', policyYaml(issuer.url));
      xdsPort = await freePort();
      await startPlane();
      ports.gateway = await freePort();
      ports.sidecar = await freePort();
      for (const role of ['router', 'sidecar'] as const) {
        const adminPort = await freePort();
        const bootstrap = proxyBootstrap({
          role,
          variant: 'delta',
          name: `${role}-0`,
          namespace: 'default',
          workloadName: role,
          labels: role === 'router' ? { istio: 'ingressgateway' } : { app: 'echo' },
          serviceAccount: 'default',
          adminPort,
          xdsPort,
          accessLog: join(folder, `${role}.log`),
          explicit: {
            bindAddress: '127.0.0.1',
            inbound:
              role === 'router'
                ? []
                : [{ name: 'http', port: 8080, listen: ports.sidecar, application: applicationPort }],
            outbound: {},
            httpProxy: 0,
            gatewayPorts: role === 'router' ? { '8080': ports.gateway } : {},
          },
        });
        const file = join(folder, `${role}.json`);
        await writeFile(file, JSON.stringify(bootstrap));
        const program = subject.start(file, join(folder, `${role}-state`));
        programs.push(program);
        await eventually(
          async () => (await httpCall(adminPort, '/ready')).status === 200,
          () => `the ${role} is not ready\n${program.output}`,
        );
      }
      for (const port of [ports.gateway, ports.sidecar]) await eventuallyAnswers(port, {}, 200);
    });

    after(async () => {
      await Promise.all(programs.map((program) => program.stop()));
      await plane?.close();
      await issuer.stop();
      application?.close();
      application?.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    });

    const write = async (name: string, text: string): Promise<void> => {
      await writeFile(join(folder, `${name}.tmp`), text);
      await rename(join(folder, `${name}.tmp`), join(folder, 'mesh', name));
    };
    const startPlane = async (): Promise<void> => {
      plane = new ControlPlane({
        folders: [join(folder, 'mesh')],
        appliedFolder: undefined,
        xdsAddress: `127.0.0.1:${xdsPort}`,
        apiHost: '127.0.0.1',
        apiPort: 0,
        apiAllowedHosts: [],
        token: 'test',
        version: 'test',
        clock: systemClock,
        log: silentLogger,
        keySets: { allowLoopback: true, folder: join(folder, 'jwks'), random: systemRandom },
      });
      ({ apiPort } = await plane.start());
    };
    const eventuallyAnswers = (port: number, headers: Fields, status: number): Promise<void> =>
      eventually(
        async () => (await httpCall(port, '/', { headers })).status === status,
        () => `no ${status} at ${port}\n${programs.map(({ output }) => output).join('\n')}`,
      );
    const atBoth = async (headers: Fields): Promise<readonly HttpAnswer[]> => [
      await httpCall(ports.gateway, '/', { headers }),
      await httpCall(ports.sidecar, '/', { headers }),
    ];

    it('refuses every token while keys were never fetched, serves requests without one, and says why', async () => {
      for (const answer of await atBoth(bearer(GOOD))) assert.equal(answer.status, 401);
      for (const answer of await atBoth({})) assert.equal(answer.status, 200);
      await eventually(
        async () => (await httpCall(apiPort, '/api/v1/problems')).body.includes('every token of'),
        () => 'the problem is not told',
      );
      assert.match((await httpCall(apiPort, '/metrics')).body, /^heddled_key_sets_missing 1$/m);
    });

    it('accepts tokens as soon as the issuer has been reached, and takes the problem back', async () => {
      await issuer.start(['rsa', 'p256', 'ed25519']);
      for (const port of [ports.gateway, ports.sidecar]) await eventuallyAnswers(port, bearer(GOOD), 200);
      for (const key of ['p256', 'ed25519'] as const) {
        for (const answer of await atBoth(bearer(token(CLAIMS, { key })))) assert.equal(answer.status, 200);
      }
      assert.doesNotMatch((await httpCall(apiPort, '/api/v1/problems')).body, /keys cannot be fetched/);
    });

    it('tells the application who calls, and nothing that callers made up', async () => {
      const forged = { 'x-user': 'eve', 'x-payload': 'forged' };
      await httpCall(ports.sidecar, '/', { headers: { ...bearer(GOOD), ...forged } });
      assert.equal(seen['x-user'], 'sue');
      const payload = Buffer.from(String(seen['x-payload']), 'base64url').toString();
      assert.equal((JSON.parse(payload) as { iss: string }).iss, issuer.url);
      assert.equal(seen['authorization'], undefined);
      await httpCall(ports.sidecar, '/', { headers: forged });
      assert.deepEqual([seen['x-user'], seen['x-payload']], [undefined, undefined]);
    });

    it('refuses with 401 what is not a good token of the issuer, and with 403 one for somebody else', async () => {
      const refused: Readonly<Record<string, string>> = {
        garbage: 'garbage',
        none: token(CLAIMS, { header: { alg: 'none' }, signAs: 'RS256' }),
        expired: token({ ...CLAIMS, exp: 1 }),
        'not yet valid': token({ ...CLAIMS, nbf: FAR_FUTURE }),
        'another issuer': token({ ...CLAIMS, iss: 'https://other.example' }),
        'another key': token(CLAIMS, { key: 'otherRsa', header: { kid: 'rsa' } }),
        'a secret': token(CLAIMS, { key: 'secret' }),
        'the public key as a secret': token(CLAIMS, { header: { alg: 'HS256' } }),
      };
      for (const [what, jwt] of Object.entries(refused)) {
        for (const answer of await atBoth(bearer(jwt))) {
          assert.equal(answer.status, 401, what);
          assert.match(String(answer.headers['www-authenticate']), /error="invalid_token"/);
        }
      }
      for (const answer of await atBoth(bearer(token({ ...CLAIMS, aud: 'other' })))) {
        assert.equal(answer.status, 403);
      }
      for (const answer of await atBoth({})) assert.equal(answer.status, 200);
    });

    it('loses no request with a good token while heddled is restarted and the issuer is away', async () => {
      await issuer.stop();
      const counts = { good: 0, bad: 0 };
      let done = false;
      const load = (async () => {
        while (!done) {
          const { status } = await httpCall(ports.sidecar, '/', { headers: bearer(GOOD) });
          if (status === 200) counts.good++;
          else counts.bad++;
        }
      })();
      await plane.close();
      await startPlane();
      await eventually(
        async () => {
          const { proxies } = JSON.parse((await httpCall(apiPort, '/api/v1/proxies')).body) as {
            readonly proxies: readonly unknown[];
          };
          return proxies.length === 2;
        },
        () => 'the proxies did not come back',
        20_000,
      );
      await eventually(
        async () => (await httpCall(apiPort, '/api/v1/problems')).body.includes('last good keys stay'),
        () => 'the problem is not told',
      );
      done = true;
      await load;
      assert.equal(counts.bad, 0);
      assert.ok(counts.good > 0);
    });

    it('lets an AuthorizationPolicy ask for who calls and what the token claims', async () => {
      await write('authorization.yaml', authorizationYaml(issuer.url));
      for (const port of [ports.gateway, ports.sidecar]) await eventuallyAnswers(port, {}, 403);
      const admin = { ...CLAIMS, groups: ['staff', 'admin'] };
      const allowed = { admin: token(admin), 'also an admin': token({ ...CLAIMS, groups: 'admin' }) };
      const denied = {
        'no claim': GOOD,
        'another claim': token({ ...CLAIMS, groups: ['staff'] }),
        'another subject': token({ ...admin, sub: 'eve' }),
      };
      for (const [what, jwt] of Object.entries(allowed)) {
        for (const answer of await atBoth(bearer(jwt))) assert.equal(answer.status, 200, what);
      }
      for (const [what, jwt] of Object.entries(denied)) {
        for (const answer of await atBoth(bearer(jwt))) assert.equal(answer.status, 403, what);
      }
      for (const answer of await atBoth(bearer(token(admin, { key: 'otherRsa', header: { kid: 'rsa' } })))) {
        assert.equal(answer.status, 401);
      }
      await rm(join(folder, 'mesh', 'authorization.yaml'));
      for (const port of [ports.gateway, ports.sidecar]) await eventuallyAnswers(port, {}, 200);
    });

    it('stops accepting a key that the issuer withdrew', async () => {
      await issuer.start(['p256']);
      await write('jwt.yaml', policyYaml(issuer.url, '/keys?again'));
      for (const port of [ports.gateway, ports.sidecar]) {
        await eventuallyAnswers(port, bearer(GOOD), 401);
        await eventuallyAnswers(port, bearer(token(CLAIMS, { key: 'p256' })), 200);
      }
    });

    it('asks nobody for tokens any more when the policy is gone', async () => {
      await rm(join(folder, 'mesh', 'jwt.yaml'));
      for (const port of [ports.gateway, ports.sidecar])
        await eventuallyAnswers(port, bearer('garbage'), 200);
    });

    const CLAIMS = { iss: '', aud: 'echo', sub: 'sue', exp: FAR_FUTURE };
    let GOOD = '';
    before(() => {
      CLAIMS.iss = issuer.url;
      GOOD = token(CLAIMS);
    });
  });
}

type Fields = Readonly<Record<string, string>>;

function bearer(jwt: string): Fields {
  return { authorization: `Bearer ${jwt}` };
}

/** The same tokens are asked for at the gateway, which passes them on, and at the workload, which does not. */
function policyYaml(issuer: string, path = '/keys'): string {
  const rule = (forward: boolean): string => `
  jwtRules:
    - issuer: ${issuer}
      jwksUri: ${issuer}${path}
      audiences: [echo]
      forwardOriginalToken: ${forward}
      outputPayloadToHeader: x-payload
      outputClaimToHeaders: [{ header: x-user, claim: sub }]`;
  return `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: edge }
spec:
  selector: { matchLabels: { istio: ingressgateway } }${rule(true)}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: echo }
spec:
  selector: { matchLabels: { app: echo } }${rule(false)}
`;
}

function authorizationYaml(issuer: string): string {
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: admins-alone }
spec:
  action: ALLOW
  rules:
    - from: [{ source: { requestPrincipals: ['${issuer}/sue'] } }]
      when: [{ key: 'request.auth.claims[groups]', values: [admin] }]
`;
}

function meshYaml(port: number): string {
  return `apiVersion: v1
kind: Service
metadata: { name: echo }
spec:
  selector: { app: echo }
  ports: [{ name: http, port: 80, targetPort: http }]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: echo }
spec: { address: 127.0.0.1, ports: { http: ${port} }, labels: { app: echo } }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: 8080, name: http, protocol: HTTP }
      hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: ['*']
  gateways: [edge]
  http: [{ route: [{ destination: { host: echo } }] }]
`;
}
