import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall, type HttpAnswer } from '../support/http-call.js';
import { InteropMesh } from '../support/interop-mesh.js';
import { FAR_FUTURE, token } from '../support/jwt-issuer.js';
import { KeyServer } from '../support/key-server.js';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';

/** A sidecar and a gateway under heddled, an issuer that comes and goes, and callers with and without tokens. */
for (const subject of [heddleProxy(), realEnvoy()]) {
  describe(`RequestAuthentication at ${subject.name}`, { skip: subject.missing ?? false }, () => {
    let mesh: InteropMesh;
    const ports = { gateway: 0, sidecar: 0 };
    const issuer = new KeyServer();
    let application: Server;
    let seen: IncomingMessage['headers'] = {};
    const claims = { iss: '', aud: 'echo', sub: 'sue', exp: FAR_FUTURE };
    let good = '';

    before(async () => {
      application = createServer((request, response) => {
        seen = request.headers;
        response.end('served');
      });
      await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
      const applicationPort = (application.address() as AddressInfo).port;
      await issuer.takePort();
      claims.iss = issuer.url;
      good = token(claims);
      mesh = await InteropMesh.start({
        'mesh.yaml': meshYaml(applicationPort),
        'jwt.yaml': policyYaml(issuer.url),
      });
      ports.gateway = await freePort();
      ports.sidecar = await freePort();
      const explicit = {
        bindAddress: '127.0.0.1',
        inbound: [],
        outbound: {},
        httpProxy: 0,
        gatewayPorts: {},
      };
      await mesh.startProxy(subject, {
        role: 'router',
        name: 'edge',
        labels: { istio: 'ingressgateway' },
        explicit: { ...explicit, gatewayPorts: { '8080': ports.gateway } },
      });
      const inbound = { name: 'http', port: 8080, listen: ports.sidecar, application: applicationPort };
      await mesh.startProxy(subject, {
        role: 'sidecar',
        name: 'echo',
        labels: { app: 'echo' },
        explicit: { ...explicit, inbound: [inbound] },
      });
      await mesh.synced();
      for (const port of [ports.gateway, ports.sidecar]) await eventuallyAnswers(port, {}, 200);
    });

    after(async () => {
      await mesh?.close();
      await issuer.stop();
      application?.close();
      application?.closeAllConnections();
    });

    const eventuallyAnswers = (port: number, headers: Fields, status: number): Promise<void> =>
      eventually(
        async () => (await httpCall(port, '/', { headers })).status === status,
        () => `no ${status} at ${port}\n${mesh.output}`,
      );
    const atBoth = async (headers: Fields): Promise<readonly HttpAnswer[]> => [
      await httpCall(ports.gateway, '/', { headers }),
      await httpCall(ports.sidecar, '/', { headers }),
    ];

    it('refuses every token while keys were never fetched, serves requests without one, and says why', async () => {
      for (const answer of await atBoth(bearer(good))) assert.equal(answer.status, 401);
      for (const answer of await atBoth({})) assert.equal(answer.status, 200);
      await eventually(
        async () => (await mesh.problems()).includes('every token of'),
        () => 'the problem is not told',
      );
      assert.match(await mesh.metrics(), /^heddled_key_sets_missing 1$/m);
    });

    it('accepts tokens as soon as the issuer has been reached, and takes the problem back', async () => {
      await issuer.start(['rsa', 'p256', 'ed25519']);
      for (const port of [ports.gateway, ports.sidecar]) await eventuallyAnswers(port, bearer(good), 200);
      for (const key of ['p256', 'ed25519'] as const) {
        for (const answer of await atBoth(bearer(token(claims, { key })))) assert.equal(answer.status, 200);
      }
      assert.doesNotMatch(await mesh.problems(), /keys cannot be fetched/);
    });

    it('tells the application who calls, and nothing that callers made up', async () => {
      const forged = { 'x-user': 'eve', 'x-payload': 'forged' };
      await httpCall(ports.sidecar, '/', { headers: { ...bearer(good), ...forged } });
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
        none: token(claims, { header: { alg: 'none' }, signAs: 'RS256' }),
        expired: token({ ...claims, exp: 1 }),
        'not yet valid': token({ ...claims, nbf: FAR_FUTURE }),
        'another issuer': token({ ...claims, iss: 'https://other.example' }),
        'another key': token(claims, { key: 'otherRsa', header: { kid: 'rsa' } }),
        'a secret': token(claims, { key: 'secret' }),
        'the public key as a secret': token(claims, { header: { alg: 'HS256' } }),
      };
      for (const [what, jwt] of Object.entries(refused)) {
        for (const answer of await atBoth(bearer(jwt))) {
          assert.equal(answer.status, 401, what);
          assert.match(String(answer.headers['www-authenticate']), /error="invalid_token"/);
        }
      }
      for (const answer of await atBoth(bearer(token({ ...claims, aud: 'other' })))) {
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
          const { status } = await httpCall(ports.sidecar, '/', { headers: bearer(good) });
          if (status === 200) counts.good++;
          else counts.bad++;
        }
      })();
      await mesh.restartPlane();
      await eventually(
        async () => (await mesh.problems()).includes('last good keys stay'),
        () => 'the problem is not told',
      );
      done = true;
      await load;
      assert.equal(counts.bad, 0);
      assert.ok(counts.good > 0);
    });

    it('lets an AuthorizationPolicy ask for who calls and what the token claims', async () => {
      await mesh.write('authorization.yaml', authorizationYaml(issuer.url));
      for (const port of [ports.gateway, ports.sidecar]) await eventuallyAnswers(port, {}, 403);
      const admin = { ...claims, groups: ['staff', 'admin'] };
      const allowed = { admin: token(admin), 'also an admin': token({ ...claims, groups: 'admin' }) };
      const denied = {
        'no claim': good,
        'another claim': token({ ...claims, groups: ['staff'] }),
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
      await mesh.remove('authorization.yaml');
      for (const port of [ports.gateway, ports.sidecar]) await eventuallyAnswers(port, {}, 200);
    });

    it('stops accepting a key that the issuer withdrew', async () => {
      await issuer.start(['p256']);
      await mesh.write('jwt.yaml', policyYaml(issuer.url, '/keys?again'));
      for (const port of [ports.gateway, ports.sidecar]) {
        await eventuallyAnswers(port, bearer(good), 401);
        await eventuallyAnswers(port, bearer(token(claims, { key: 'p256' })), 200);
      }
    });

    it('asks nobody for tokens any more when the policy is gone', async () => {
      await mesh.remove('jwt.yaml');
      for (const port of [ports.gateway, ports.sidecar])
        await eventuallyAnswers(port, bearer('garbage'), 200);
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
