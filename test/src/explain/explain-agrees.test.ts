import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  createServer,
  request as httpRequest,
  Agent,
  type IncomingHttpHeaders,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { forgeRoot } from '@heddle/certs/testing';
import { createSeededRandom, type Random } from '@heddle/common';
import type { ExplainedMeshWay, MeshExplanation } from '@heddle/control-plane';
import type { ExplainedFilter, ExplainedWay, RequestExplanation } from '@heddle/engine';
import { SignJWT } from 'jose';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { InteropMesh } from '../support/interop-mesh.js';
import { heddleProxy } from '../support/proxy-subjects.js';
import { WorkloadAgent } from '../support/workload-agent.js';
import { LIMITED_REQUESTS, shopYaml } from './explained-shop.js';

const REQUESTS = 1_000;
const SEED = 20_261_128;

/** What went over the wire for one request that was explained. */
interface Exchange {
  readonly id: string;
  readonly request: RandomRequest;
  readonly explanation: MeshExplanation;
  readonly answer: Answer;
}

interface RandomRequest {
  readonly via: 'port' | 'http-proxy';
  readonly method: string;
  /** As the Host field of an HTTP proxy's client. */
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What the application saw; undefined where none was reached. */
  readonly seen: Seen | undefined;
}

interface Seen {
  readonly application: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

type LogLine = Readonly<Record<string, unknown>>;

describe('what explain says of a request', () => {
  let mesh: InteropMesh;
  const servers: Server[] = [];
  const closing: { close(): unknown }[] = [];
  const agent = new Agent({ keepAlive: true });
  const ports = { inbound: 0, outbound: 0, proxy: 0 };
  let tokens: readonly string[] = [];

  before(async () => {
    const root = forgeRoot();
    const applications = ['v1', 'v2', 'ratings-0', 'ratings-1', 'ratings-2'];
    const [v1 = 0, v2 = 0, ...ratings] = await Promise.all(
      applications.map(async (name) => {
        const server = echoServer(name);
        servers.push(server);
        return listening(server);
      }),
    );
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    tokens = await makeTokens(key.privateKey);
    const jwks = JSON.stringify({ keys: [{ ...key.publicKey.export({ format: 'jwk' }), kid: 'k' }] });
    mesh = await InteropMesh.start({
      'shop.yaml': shopYaml({ v1: ports.inbound, v2, ratings }, jwks),
    });
    assert.deepEqual(JSON.parse(await mesh.problems()), { problems: [] });
    const nothing = { bindAddress: '127.0.0.1', inbound: [], outbound: {}, httpProxy: 0, gatewayPorts: {} };
    const start = async (
      name: string,
      account: string,
      labels: Readonly<Record<string, string>>,
      explicit: object,
    ): Promise<void> => {
      const identity = await WorkloadAgent.start(root, `spiffe://cluster.local/ns/default/sa/${account}`);
      closing.push(identity);
      await mesh.startProxy(heddleProxy(), {
        ...{ role: 'sidecar', name, labels, serviceAccount: account, sdsPort: identity.port },
        explicit: { ...nothing, ...explicit },
      });
    };
    await start(
      'reviews-v1',
      'reviews',
      { app: 'reviews', version: 'v1' },
      {
        inbound: [{ name: 'http', port: 9080, listen: ports.inbound, application: v1 }],
      },
    );
    await start(
      'caller',
      'caller',
      { app: 'caller' },
      {
        outbound: { 'reviews.default.svc.cluster.local:80': ports.outbound },
        httpProxy: ports.proxy,
      },
    );
    await mesh.synced();
    await eventually(
      async () => (await call(ports.outbound, anyRequest())).status === 200,
      () => mesh.output,
    );
  });

  after(async () => {
    agent.destroy();
    await mesh?.close();
    for (const one of closing) one.close();
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });

  it(`is what proxies do with ${REQUESTS} random ones`, async () => {
    const random = createSeededRandom(SEED);
    const exchanges: Exchange[] = [];
    for (let i = 0; i < REQUESTS; i++) {
      const request = randomRequest(random, tokens);
      const id = `explained-${i}`;
      const headers = { ...request.headers, 'x-request-id': id };
      const [explanation, answer] = await Promise.all([
        explainedBy(request, headers),
        call(request.via === 'port' ? ports.outbound : ports.proxy, { ...request, headers }),
      ]);
      exchanges.push({ id, request, explanation, answer });
    }
    const logs = { caller: new Map<unknown, LogLine>(), callee: new Map<unknown, LogLine>() };
    const last = exchanges.at(-1)?.id;
    await eventually(
      async () => {
        for (const line of await mesh.logLines('caller')) logs.caller.set(line['request_id'], line);
        return logs.caller.has(last);
      },
      () => 'the last request is not in the log of the caller',
    );
    const wanted = exchanges
      .filter(({ id }) => reachedSidecar(logs.caller.get(id), ports.inbound))
      .at(-1)?.id;
    await eventually(
      async () => {
        for (const line of await mesh.logLines('reviews-v1')) logs.callee.set(line['request_id'], line);
        return logs.callee.has(wanted);
      },
      () => 'the last request is not in the log of the callee',
    );
    const judge = new Judge();
    for (const exchange of exchanges)
      judge.check(exchange, logs.caller.get(exchange.id), logs.callee.get(exchange.id));
    judge.finish();
  });

  async function explainedBy(
    { via, method, host, path }: RandomRequest,
    headers: Readonly<Record<string, string>>,
  ): Promise<MeshExplanation> {
    const body = JSON.stringify({
      ...{ from: 'default/caller', url: `http://${host}${path}`, method, via },
      headers: Object.entries(headers),
    });
    const { status, text } = await exchange(mesh.apiPort, { method: 'POST', path: '/api/v1/explain', body });
    assert.equal(status, 200, text);
    return JSON.parse(text) as MeshExplanation;
  }

  async function call(
    port: number,
    { method, host, path, headers }: Omit<RandomRequest, 'via'>,
  ): Promise<Answer> {
    const all = port === ports.proxy ? { ...headers, host } : headers;
    const { status, headers: received, text } = await exchange(port, { method, path, headers: all });
    const isEcho = received['x-echo'] !== undefined;
    return { status, headers: received, seen: isEcho ? (JSON.parse(text) as Seen) : undefined };
  }

  function exchange(
    port: number,
    options: { method: string; path: string; headers?: Record<string, string>; body?: string },
  ): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> {
    const { method, path, headers = {}, body } = options;
    return new Promise((resolve, reject) => {
      const sent = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }
});

/** Compares what was told with what was done, and counts where chance decided. */
class Judge {
  readonly #chances = new Map<string, { expected: number; variance: number; seen: number }>();
  readonly #kinds = new Map<string, number>();
  #limited = 0;

  check(
    { request, explanation, answer }: Exchange,
    caller: LogLine | undefined,
    callee: LogLine | undefined,
  ): void {
    const about = JSON.stringify({ request, answer, caller, callee });
    const { outbound } = explanation;
    const cluster = String(caller?.['upstream_cluster'] ?? '');
    assert.equal(caller?.['route_name'] ?? '', matchedRoute(outbound), `route: ${about}`);
    const way = outbound.ways.find((one) => one.cluster === cluster) ?? outbound.ways[0];
    assert.ok(way, about);
    if (outbound.ways.length > 1) {
      for (const one of outbound.ways) this.#draw(one.cluster, one.share, one === way);
    }
    const local = this.#localAnswer(way, caller, about);
    if (local !== undefined) {
      this.#count(`caller answers ${local.details}`);
      assert.equal(answer.status, local.status, about);
      assert.equal(caller?.['response_code_details'], local.details, about);
      assert.equal(caller?.['response_flags'], expectedFlags(local.flag, caller), about);
      for (const [name, value] of local.headers) assert.equal(answer.headers[name], value, about);
      return;
    }
    assert.equal(cluster, way.cluster, about);
    const { forward } = way;
    assert.ok(forward, about);
    const host = String(caller?.['upstream_host']);
    const endpoints = forward.cluster.endpoints.filter(({ usable }) => usable);
    const possible = endpoints.some(({ chosen }) => chosen)
      ? endpoints.filter(({ chosen }) => chosen)
      : endpoints;
    assert.ok(
      possible.some(({ address }) => address === host),
      `endpoint: ${about} ${JSON.stringify(possible)}`,
    );
    for (const [name, value] of forward.responseHeaders) assert.equal(answer.headers[name], value, about);
    const arrival = way.arrivals.find(({ endpoint }) => endpoint === host);
    if (arrival?.explanation === undefined) {
      this.#count(`${cluster} answers`);
      this.#compareSeen(answer.seen, forward, about);
      return;
    }
    this.#arrival(arrival.explanation, arrival.principal, answer, callee, about);
  }

  #arrival(
    explanation: RequestExplanation,
    principal: string,
    answer: Answer,
    callee: LogLine | undefined,
    about: string,
  ): void {
    assert.equal(principal, 'spiffe://cluster.local/ns/default/sa/caller', about);
    const [way] = explanation.ways;
    assert.ok(way, about);
    const local = this.#localAnswer(way, callee, about);
    if (local !== undefined) {
      this.#count(`callee answers ${local.details}`);
      assert.equal(answer.status, local.status, about);
      assert.equal(callee?.['response_code_details'], local.details, about);
      return;
    }
    this.#count('callee passes it on');
    assert.ok(way.forward, about);
    assert.equal(callee?.['upstream_cluster'], way.cluster, about);
    this.#compareSeen(answer.seen, way.forward, about);
  }

  /** What the proxy answers by itself, if it does. What chance decides is read from the log. */
  #localAnswer(
    { filters, answer }: Pick<ExplainedWay | ExplainedMeshWay, 'filters' | 'answer'>,
    log: LogLine | undefined,
    about: string,
  ): NonNullable<ExplainedFilter['answer']> | undefined {
    for (const { verdict, answer: own, answerRatio, name } of filters) {
      if (verdict === 'answers') return own;
      if (verdict !== 'may-answer' || own === undefined) continue;
      const isMet = log?.['response_code_details'] === own.details;
      if (answerRatio !== undefined) this.#draw(`${name} ${own.details}`, answerRatio, isMet);
      else {
        this.#limited++;
        assert.equal(isMet, this.#limited > LIMITED_REQUESTS, `limit: ${this.#limited} ${about}`);
      }
      if (isMet) return own;
    }
    return answer;
  }

  #compareSeen(
    seen: Seen | undefined,
    forward: {
      readonly method: string;
      readonly authority: string;
      readonly path: string;
      readonly headers: readonly (readonly [string, string])[];
    },
    about: string,
  ): void {
    assert.ok(seen, about);
    assert.deepEqual(
      [seen.method, seen.headers['host'], seen.path],
      [forward.method, forward.authority, forward.path],
      about,
    );
    const told: Record<string, string> = {};
    for (const [name, value] of forward.headers)
      told[name] = name in told ? `${told[name]}, ${value}` : value;
    const isOwn = (name: string): boolean =>
      !OF_THE_WAY.has(name) && !name.startsWith('x-envoy-peer-metadata');
    const own = (fields: Readonly<Record<string, string>>): unknown =>
      Object.entries(fields)
        .filter(([name]) => isOwn(name))
        .sort();
    assert.deepEqual(own(seen.headers), own(told), about);
  }

  #draw(what: string, ratio: number, isMet: boolean): void {
    const chance = this.#chances.get(what) ?? { expected: 0, variance: 0, seen: 0 };
    chance.expected += ratio;
    chance.variance += ratio * (1 - ratio);
    if (isMet) chance.seen++;
    this.#chances.set(what, chance);
  }

  #count(kind: string): void {
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
  }

  finish(): void {
    for (const [what, { expected, variance, seen }] of this.#chances) {
      // Seven standard deviations: once in many billions.
      const bound = 7 * Math.sqrt(variance) + 1;
      assert.ok(Math.abs(seen - expected) <= bound, `${what}: ${seen}, told ${expected}`);
    }
    assert.ok(this.#limited > LIMITED_REQUESTS, 'the limit was reached');
    // Every kind of end was met: else the test would say less than it seems to.
    const ends = [...this.#kinds.keys()].join('\n');
    for (const end of ENDS) assert.match(ends, end);
  }
}

const ENDS: readonly RegExp[] = [
  /caller answers direct_response/,
  /caller answers fault_filter_abort/,
  /caller answers route_not_found/,
  /caller answers cluster_not_found/,
  /caller answers no_healthy_upstream/,
  /callee answers local_rate_limited/,
  /callee answers jwt_authn_access_denied\{Jwt_is_expired\}/,
  /callee answers rbac_access_denied_matched_policy\[ns\[default\]-policy\[closed\]-rule\[0\]\]/,
  /callee answers rbac_access_denied_matched_policy\[ns\[default\]-policy\[closed\]-rule\[1\]\]/,
  /callee answers rbac_access_denied_matched_policy\[none\]/,
  /callee passes it on/,
  /outbound\|80\|v2\|reviews.default.svc.cluster.local answers/,
  /outbound\|80\|\|ratings.default.svc.cluster.local answers/,
];

/** Fields that tell of the way a message takes, and not of what was decided about it. */
const OF_THE_WAY: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'x-forwarded-client-cert',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-attempt-count',
]);

function matchedRoute({ routing }: RequestExplanation): string {
  return routing?.routes.find(({ matched }) => matched)?.name ?? '';
}

/** A delay is told by its flag, whatever follows. */
function expectedFlags(flag: string | undefined, log: LogLine | undefined): string {
  const isDelayed = String(log?.['response_flags']).split(',').includes('DI');
  const flags = [...(isDelayed ? ['DI'] : []), ...(flag === undefined ? [] : [flag])];
  return flags.length === 0 ? '-' : flags.join(',');
}

function reachedSidecar(line: LogLine | undefined, port: number): boolean {
  return line?.['upstream_host'] === `127.0.0.1:${port}`;
}

function anyRequest(): RandomRequest {
  return { via: 'port', method: 'GET', host: 'reviews', path: '/', headers: {} };
}

function randomRequest(random: Random, tokens: readonly string[]): RandomRequest {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const headers: Record<string, string> = {};
  const maybe = (name: string, ratio: number, values: readonly string[]): void => {
    if (random() < ratio) headers[name] = pick(values);
  };
  maybe('x-user', 0.5, ['jason', 'jane', 'bob', 'alice', 'mallory', 'zoe']);
  maybe('x-noise', 0.3, ['loud', 'soft']);
  maybe('x-break', 0.2, ['always', 'half', 'never']);
  maybe('authorization', 0.3, tokens);
  maybe('x-envoy-max-retries', 0.1, ['9']);
  maybe('x-sub', 0.1, ['forged']);
  maybe('accept', 0.3, ['*/*', 'text/html']);
  const via = random() < 0.7 ? 'port' : 'http-proxy';
  const host = via === 'port' ? 'reviews' : pick(HOSTS);
  return { via, method: pick(METHODS), host, path: randomPath(random, pick), headers };
}

const HOSTS = [
  'reviews',
  'reviews.default:80',
  'REVIEWS',
  'ratings',
  'ratings.default.svc',
  'gone',
  'unknown.example',
];
const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'];
const STARTS = [
  '/',
  '/teapot',
  '/old',
  '/old/page',
  '/two',
  '/TWO/x',
  '/items/7',
  '/items/x',
  '/items/12/parts',
];
const MORE_STARTS = [
  '/nowhere',
  '/empty/1',
  '/quiet',
  '/secret',
  '/a/secret',
  '/limited',
  '/limited/x',
  '/oldest',
];
const ENDINGS = [
  '',
  '',
  '',
  '/',
  '/../secret',
  '/./x',
  '//y',
  '/%73ecret',
  ';p=1',
  '/%2e%2e/teapot',
  '\\z',
  '/%2Fa',
];
const QUERIES = [
  '',
  '',
  '',
  '?version=two',
  '?version=one',
  '?a=1&version=two',
  '?version=two&version=one',
  '?',
];

function randomPath(random: Random, pick: <T>(values: readonly T[]) => T): string {
  return `${pick(random() < 0.5 ? STARTS : MORE_STARTS)}${pick(ENDINGS)}${pick(QUERIES)}`;
}

async function makeTokens(key: KeyObject): Promise<readonly string[]> {
  const sign = (issuer: string, expires: number): Promise<string> =>
    new SignJWT({ sub: 'sue' })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuer(issuer)
      .setExpirationTime(expires)
      .sign(key);
  const good = await sign('https://issuer.example', 4_102_444_800);
  return [
    `Bearer ${good}`,
    `Bearer ${good}`,
    `Bearer ${await sign('https://issuer.example', 1_000)}`,
    `Bearer ${await sign('https://other.example', 4_102_444_800)}`,
    `Bearer ${good.slice(0, -6)}AAAAAA`,
    'Basic c3VlOnN1ZQ==',
  ];
}

/** Answers with what it saw. */
function echoServer(application: string): Server {
  return createServer((request, response) => {
    const seen: Seen = {
      application,
      method: request.method ?? '',
      path: request.url ?? '',
      headers: Object.fromEntries(
        Object.entries(request.headersDistinct).map(([name, values]) => [name, (values ?? []).join(', ')]),
      ),
    };
    response.setHeader('x-echo', application);
    response.end(JSON.stringify(seen));
  });
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
