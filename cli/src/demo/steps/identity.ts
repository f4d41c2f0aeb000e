import { generateKeyPairSync, sign } from 'node:crypto';
import { isInbound } from '../access-log-lines.js';
import { Checks } from '../checks.js';
import { renewCertificate, shownIdentity, type ShownIdentity } from '../sidecar-identity.js';
import type { Stage } from '../stage.js';
import type { StoryStep } from '../story-step.js';

const IDENTITY = 'spiffe://cluster.local/ns/default/sa';
/** Edges of the call graph that every page takes. */
const EDGES = [
  ['storefront', 'details', '/details/'],
  ['storefront', 'reviews', '/reviews/'],
  ['details', 'inventory', '/inventory/'],
] as const;
const ISSUER = 'https://accounts.shop.example';
const DISCOUNTS = { host: 'discounts.shop.example' };
const MEMBERS = { host: 'members.shop.example' };

const tokenKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** Who is who, who may call whom, and certificates that change while they are in use. */
export const identitySteps: readonly StoryStep[] = [
  {
    title: 'Every call is mutual TLS, and both sides know who the other is',
    explanation:
      'The programs speak plain HTTP to their sidecars. Between sidecars there are certificates: each log says whose.',
    applies: undefined,
    async run(stage) {
      const checks = new Checks();
      const answers = await stage.client.sample(20, '/products/4001');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      for (const [caller, callee, path] of EDGES) {
        const there = async (): Promise<boolean> =>
          (await stage.accessLog(callee, `${path}4001`)).filter(isInbound).length >= answers.length;
        await stage.eventually(there, 5_000);
        const sent = (await stage.accessLog(caller, `${path}4001`)).filter((line) => !isInbound(line));
        const received = (await stage.accessLog(callee, `${path}4001`)).filter(isInbound);
        const toWhom = namesOf(sent.map((line) => line['upstream_peer_uri_san']));
        const byWhom = namesOf(received.map((line) => line['downstream_peer_uri_san']));
        checks.that(toWhom === `${IDENTITY}/${callee}`, `${caller} called ${toWhom}, expected ${callee}`);
        checks.that(byWhom === `${IDENTITY}/${caller}`, `${callee} was called by ${byWhom}`);
        checks.figure(`${byWhom} called ${toWhom}`);
      }
      return checks.result();
    },
  },
  {
    title: 'Plaintext is refused',
    explanation:
      'So far a sidecar also took plaintext, so that a mesh can grow. STRICT for the whole mesh ends that.',
    applies: { story: '6-strict.yaml', as: 'strict.yaml' },
    async run(stage) {
      const checks = new Checks();
      await checks.takesEffect(
        stage,
        async () => (await stage.plaintextAnswer('inventory', '/inventory/7')) === undefined,
      );
      const answers = await stage.client.sample(40, '/products/7');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      checks.figure(
        'plain HTTP to the inventory: the connection is closed; 40 pages through the mesh: all 200',
      );
      return checks.result();
    },
  },
  {
    title: 'A caller is denied, and the log names the rule',
    explanation:
      'Discounts join again and ask the inventory, whose policy knows them by their certificate and turns them away.',
    applies: { story: '7-deny-discounts.yaml', as: 'deny-discounts.yaml' },
    async run(stage) {
      const checks = new Checks();
      await stage.apply('5-discounts.yaml', 'discounts.yaml');
      const isDenied = async (): Promise<boolean> => {
        const { served } = await stage.client.get('/discounts/4002', DISCOUNTS);
        return served?.calls.some((call) => call.service === 'inventory' && call.status === 403) ?? false;
      };
      checks.that(await stage.eventually(isDenied, 30_000), 'discounts were not denied within 30 s');
      let lines = await stage.accessLog('inventory', '/inventory/4002');
      // Lines are written a moment after the answer.
      await stage.eventually(async () => {
        lines = await stage.accessLog('inventory', '/inventory/4002');
        return lines.length > 0;
      }, 5_000);
      const rules = namesOf(lines.map((line) => line['response_code_details']));
      checks.that(rules.includes('no-discounts'), `the log names ${rules}`);
      checks.figure(`inventory answered discounts with 403: ${rules}`);
      const answers = await stage.client.sample(40, '/products/7');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      await stage.remove('deny-discounts.yaml');
      const isServed = async (): Promise<boolean> =>
        (await stage.client.get('/discounts/7', DISCOUNTS)).status === 200;
      checks.that(await stage.eventually(isServed, 10_000), 'discounts stayed denied after the policy left');
      await stage.remove('discounts.yaml');
      return checks.result();
    },
  },
  {
    title: 'A token is needed at the gateway',
    explanation:
      'Members bring a JWT. The gateway checks it against the key that the policy names; no program ever sees it.',
    applies: { story: '8-members.yaml', as: 'members.yaml', fill: withPublicKey },
    async run(stage) {
      const checks = new Checks();
      const statusWith = async (token: string | undefined): Promise<number> => {
        const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
        return (await stage.client.get('/members/7', { ...MEMBERS, ...authorization })).status;
      };
      await checks.takesEffect(stage, async () => (await statusWith(token({}))) === 200);
      const outcomes: readonly (readonly [string, string | undefined, number])[] = [
        ['a good token', token({}), 200],
        ['no token', undefined, 403],
        ['an expired one', token({ exp: 1_000_000 }), 401],
        ['one of another issuer', token({ iss: 'https://elsewhere.example' }), 401],
        ['one that was changed', tampered(token({})), 401],
      ];
      for (const [what, sent, expected] of outcomes) {
        const status = await statusWith(sent);
        checks.that(status === expected, `${what} was answered with ${status}, expected ${expected}`);
        checks.figure(`${what}: ${status}`);
      }
      const answers = await stage.client.sample(20, '/products/7');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      return checks.result();
    },
  },
  {
    title: 'Certificates are exchanged under load, then the root of them all',
    explanation:
      'Every proxy gets a new key and certificate, then the mesh a new root (heddle ca rotate-root). Callers go on.',
    applies: undefined,
    async run(stage) {
      const checks = new Checks();
      const before = stage.load;
      const first = await identitiesOf(stage);
      await Promise.all(stage.proxies().map(({ adminPort }) => renewCertificate(adminPort)));
      const second = await renewedSince(stage, first, checks);
      const serials = [...second].map(
        ([name, { serial }]) => `${name} ${shortOf(first.get(name)?.serial)} → ${shortOf(serial)}`,
      );
      checks.figure(`serial numbers: ${serials.join(', ')}`);
      const told = await stage.rotateRoot();
      const third = await renewedSince(stage, second, checks);
      const roots = (all: ReadonlyMap<string, ShownIdentity>): string =>
        namesOf([...all.values()].map((one) => one.roots.map(shortOf).join('+')));
      checks.that(roots(third) !== roots(second), `the root is still ${roots(second)}`);
      checks.figure(`root: ${roots(second)} → ${roots(third)}; ${told.at(-1)}`);
      const pages = await stage.client.sample(40, '/products/7');
      checks.all(pages, ({ status }) => status === 200, 'answered with 200');
      const { requests, failed } = stage.load;
      const load = `${requests - before.requests} requests of the steady load, ${failed - before.failed} failed`;
      checks.that(failed === before.failed, load);
      checks.figure(`meanwhile ${load}`);
      return checks.result();
    },
  },
];

async function identitiesOf(stage: Stage): Promise<ReadonlyMap<string, ShownIdentity>> {
  const proxies = stage.proxies();
  const shown = await Promise.all(proxies.map(({ adminPort }) => shownIdentity(adminPort)));
  return new Map(proxies.map(({ name }, i) => [name, shown[i] as ShownIdentity]));
}

/** Waits until every proxy has another certificate than `before`, and one root to trust. */
async function renewedSince(
  stage: Stage,
  before: ReadonlyMap<string, ShownIdentity>,
  checks: Checks,
): Promise<ReadonlyMap<string, ShownIdentity>> {
  let now = before;
  const isRenewed = async (): Promise<boolean> => {
    now = await identitiesOf(stage);
    return [...now].every(
      ([name, { serial, roots }]) => serial !== before.get(name)?.serial && roots.length === 1,
    );
  };
  checks.that(
    await stage.eventually(isRenewed, 10_000),
    'not every proxy had a new certificate and one root after 10 s',
  );
  return now;
}

function shortOf(hex: string | undefined): string {
  return (hex ?? 'none').slice(0, 8);
}

function namesOf(values: readonly unknown[]): string {
  return [...new Set(values.map(String))].join(' and ') || 'nobody';
}

/** Puts the public key of the demo's tokens into the policy. */
function withPublicKey(yaml: string): string {
  const key = { ...tokenKeys.publicKey.export({ format: 'jwk' }), kid: 'demo', alg: 'ES256', use: 'sig' };
  return yaml.replace(`'{"keys":[]}'`, `'${JSON.stringify({ keys: [key] })}'`);
}

/** A signed token that a member would have from the shop's accounts. Source: RFC 7519, RFC 7515. */
function token(claims: { readonly exp?: number; readonly iss?: string }): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const head = encode({ alg: 'ES256', typ: 'JWT', kid: 'demo' });
  const signed = `${head}.${encode({ iss: ISSUER, sub: 'jason', exp, ...claims })}`;
  const signature = sign('sha256', Buffer.from(signed), {
    key: tokenKeys.privateKey,
    dsaEncoding: 'ieee-p1363',
  });
  return `${signed}.${signature.toString('base64url')}`;
}

function tampered(good: string): string {
  const [head, , signature] = good.split('.');
  const claims = Buffer.from(JSON.stringify({ iss: ISSUER, sub: 'admin' })).toString('base64url');
  return `${head}.${claims}.${signature}`;
}
