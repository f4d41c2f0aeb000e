import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { FakeClock, createLogger } from '@heddle/common';
import type { NamedService } from '@heddle/engine';
import { StatsStore } from '../stats/stats-store.js';
import { addressAnswer, questionFor, recordsOf } from './dns-message.test-support.js';
import { DnsResolution } from './dns-resolution.js';
import { DnsServer } from './dns-server.js';
import { MessageReader, framed } from './framed-messages.js';
import { parseQuery, type DnsQuery } from './message.js';
import { NameTable } from './name-table.js';
import { parseUpstreamServer, type AskServer } from './upstream-servers.js';

describe('the DNS server of a sidecar', () => {
  it('answers names of the mesh, in every form, and says of other types that there is nothing', async (t) => {
    const { resolver } = await serve(t, new Upstream({}));
    for (const name of [
      'reviews',
      'REVIEWS.shop',
      'reviews.shop.svc',
      'reviews.shop.svc.cluster.local',
      'reviews.shop.svc.cluster.local.shop.svc.cluster.local',
      'ledger.bank',
      'ledger.bank.shop.svc.cluster.local',
    ]) {
      const expected = name.startsWith('ledger') ? '240.240.0.2' : '240.240.0.1';
      assert.deepEqual(await resolver.resolve4(name), [expected], name);
    }
    assert.deepEqual(await resolver.resolve6('reviews'), ['2001:2::1']);
    assert.deepEqual(await resolver.resolve4('a.b.example.com'), ['240.240.0.3']);
    await assert.rejects(resolver.resolve4('ledger'), { code: 'ESERVFAIL' }, 'of another namespace');
    await assert.rejects(resolver.resolve6('ledger.bank'), { code: 'ENODATA' });
    await assert.rejects(resolver.resolveMx('reviews'), { code: 'ENODATA' });
  });

  it('answers names that a search list made with the name that they stand for, as resolvers want it', async (t) => {
    const { resolver } = await serve(t, new Upstream({}));
    const made = 'reviews.shop.svc.cluster.local.shop.svc.cluster.local';
    assert.deepEqual(await resolver.resolveCname(made), ['reviews.shop.svc.cluster.local']);
    assert.deepEqual(await resolver.resolve4(made), ['240.240.0.1']);
    assert.deepEqual(await resolver.resolve4('ledger.bank.corp.example'), ['240.240.0.2']);
    await assert.rejects(resolver.resolveCname('reviews'), { code: 'ENODATA' });
  });

  it('says on which ports a service is served, and which version of names it speaks', async (t) => {
    const { resolver } = await serve(t, new Upstream({}));
    const target = { name: 'reviews.shop.svc.cluster.local', priority: 0, weight: 100 };
    for (const name of ['_http._tcp.reviews.shop.svc.cluster.local', '_http._tcp.reviews']) {
      // Newer versions of Node say that it is of type SRV.
      const [found, ...others] = (await resolver.resolveSrv(name)).map((record) => ({ ...record, type: '' }));
      assert.deepEqual([found, others], [{ ...target, port: 9080, type: '' }, []], name);
    }
    const all = await resolver.resolveSrv('reviews.shop');
    assert.deepEqual(all.map(({ port }) => port).sort(), [15_020, 9080]);
    await assert.rejects(resolver.resolveSrv('_grpc._tcp.reviews'), { code: 'ENOTFOUND' });
    await assert.rejects(resolver.resolveSrv('ledger.bank'), { code: 'ENODATA' });
    assert.deepEqual(await resolver.resolveTxt('dns-version.cluster.local'), [['1.1.0']]);
    await assert.rejects(resolver.resolveTxt('reviews'), { code: 'ENODATA' });
  });

  it('says of names in the zone of the mesh that they are not there, with an SOA, where nobody else knows them', async (t) => {
    const upstream = new Upstream({});
    const { resolver, resolution } = await serve(t, upstream, true);
    await assert.rejects(resolver.resolve4('nobody.shop.svc.cluster.local'), { code: 'ENOTFOUND' });
    await assert.rejects(resolver.resolve4('shop.svc.cluster.local'), { code: 'ENODATA' });
    await assert.rejects(resolver.resolve4('_http._tcp.reviews.shop.svc.cluster.local'), { code: 'ENODATA' });
    assert.deepEqual(upstream.asked, []);
    const answer = await resolve(resolution, questionFor('nobody.shop.svc.cluster.local', 1));
    assert.equal(answer?.readUInt16BE(8), 1, 'one record of authority');
    assert.equal(answer.readUInt32BE(answer.length - 4), 30, 'for so long');
    await assert.rejects(resolver.resolve4('else.where'), { code: 'ESERVFAIL' });
    assert.deepEqual(upstream.asked, ['192.0.2.53', '192.0.2.54']);
  });

  it('answers EDNS with EDNS, and refuses a version of it that it does not know', async (t) => {
    const { resolution } = await serve(t, new Upstream({}));
    const plain = await resolve(resolution, questionFor('reviews', 1));
    assert.equal(plain?.readUInt16BE(10), 0);
    const asked = questionFor('reviews', 1, { udpBytes: 1232 });
    const extended = await resolve(resolution, asked);
    assert.equal(extended?.readUInt16BE(10), 1);
    asked[asked.length - 5] = 1;
    const refused = (await resolve(resolution, asked)) as Buffer;
    assert.deepEqual([refused.readUInt16BE(6), refused[refused.length - 6]], [0, 1], 'BADVERS is 16');
  });

  it('keeps no more answers than it may, and counts those that made room', async (t) => {
    const names = ['a.example', 'b.example', 'c.example'];
    const known = Object.fromEntries(names.map((name) => [name, { addresses: ['192.0.2.1'], ttlS: 60 }]));
    const { resolver, counter } = await serve(t, new Upstream(known));
    for (const name of names) await resolver.resolve4(name);
    assert.equal(counter('cache_evictions'), 1);
  });

  it('asks name servers for the rest, one after the other, and keeps what they say as long as it holds', async (t) => {
    const upstream = new Upstream({ 'other.example': { addresses: ['192.0.2.1'], ttlS: 10 } });
    const { resolver, clock, counter } = await serve(t, upstream);
    assert.deepEqual(await resolver.resolve4('other.example', { ttl: true }), [
      { address: '192.0.2.1', ttl: 10 },
    ]);
    assert.deepEqual(upstream.asked, ['192.0.2.53', '192.0.2.54']);
    clock.advance(4_000);
    assert.deepEqual(await resolver.resolve4('other.example', { ttl: true }), [
      { address: '192.0.2.1', ttl: 6 },
    ]);
    assert.equal(upstream.asked.length, 2);
    clock.advance(6_000);
    assert.deepEqual(await resolver.resolve4('other.example', { ttl: true }), [
      { address: '192.0.2.1', ttl: 10 },
    ]);
    assert.equal(upstream.asked.length, 4);
    assert.deepEqual([counter('answered_from_cache'), counter('forwarded')], [1, 2]);
  });

  it('says that it failed when no name server answers, and when too many questions wait', async (t) => {
    const upstream = new Upstream({});
    const { resolution, counter } = await serve(t, upstream);
    upstream.holds = true;
    const first = resolve(resolution, questionFor('slow.example', 1));
    const second = await resolve(resolution, questionFor('slow.example', 1));
    assert.equal((second as Buffer)[3]! & 0x0f, 2);
    assert.equal(counter('forward_overflow'), 1);
    upstream.release();
    assert.equal(((await first) as Buffer)[3]! & 0x0f, 2);
    assert.equal(counter('forward_failures'), 1);
  });

  it('answers over TCP as well, several questions of one connection, and whole what UDP could not carry', async (t) => {
    const many = Array.from({ length: 100 }, (_, i) => `192.0.2.${i}`);
    const { server, resolver } = await serve(
      t,
      new Upstream({ 'many.example': { addresses: many, ttlS: 1 } }),
    );
    assert.equal((await resolver.resolve4('many.example')).length, 100);
    const answers: (readonly string[])[] = [];
    const socket = connect(server.ports[0] ?? 0, '127.0.0.1');
    await new Promise<void>((done) => {
      const reader = new MessageReader((message) => {
        answers.push(recordsOf(message));
        if (answers.length === 2) done();
      });
      socket.on('data', (chunk) => reader.read(chunk));
      socket.write(Buffer.concat([framed(questionFor('reviews', 1)), framed(questionFor('reviews', 28))]));
    });
    socket.destroy();
    assert.deepEqual(answers, [['240.240.0.1'], ['2001:2:0:0:0:0:0:1']]);
  });

  it('closes a connection that sends no DNS', async (t) => {
    const { server } = await serve(t, new Upstream({}));
    const socket = connect(server.ports[0] ?? 0, '127.0.0.1');
    socket.write('\0\x05hello');
    await new Promise((done) => socket.once('close', done).resume());
  });

  it('knows name servers by address, port and protocol', () => {
    assert.deepEqual(parseUpstreamServer('10.0.0.2'), { host: '10.0.0.2', port: 53, protocol: 'udp' });
    assert.deepEqual(parseUpstreamServer('tcp://[fd00::1]:5353'), {
      host: 'fd00::1',
      port: 5353,
      protocol: 'tcp',
    });
    for (const wrong of ['', 'dns.example', '10.0.0.2:0', '10.0.0.2:70000', 'http://10.0.0.2'])
      assert.equal(parseUpstreamServer(wrong), undefined, wrong);
  });
});

const services = new Map<string, NamedService>([
  [
    'reviews.shop.svc.cluster.local',
    {
      ipv4: ['240.240.0.1'],
      ipv6: ['2001:2::1'],
      ports: [
        { name: 'http', protocol: 'tcp', number: 9080 },
        { name: 'metrics', protocol: 'tcp', number: 15_020 },
      ],
      short: { name: 'reviews', namespace: 'shop' },
    },
  ],
  [
    'ledger.bank.svc.cluster.local',
    { ipv4: ['240.240.0.2'], ipv6: [], ports: [], short: { name: 'ledger', namespace: 'bank' } },
  ],
  ['*.example.com', { ipv4: ['240.240.0.3'], ipv6: [], ports: [], short: undefined }],
]);

async function serve(
  t: TestContext,
  upstream: Upstream,
  isAuthority = false,
): Promise<{
  readonly server: DnsServer;
  readonly resolver: Resolver;
  readonly resolution: DnsResolution;
  readonly clock: FakeClock;
  readonly counter: (name: string) => number;
}> {
  const clock = new FakeClock();
  const stats = new StatsStore();
  const resolution = new DnsResolution({
    clock,
    stats,
    servers: ['192.0.2.53', '192.0.2.54'].map((host) => ({ host, port: 53, protocol: 'udp' })),
    ask: upstream.ask,
    mostPending: 1,
    mostCached: 2,
    isAuthority,
  });
  resolution.setNames(new NameTable({ services }, 'shop', ['corp.example']));
  const log = createLogger({ component: 'test', level: 'off' });
  const server = new DnsServer({ log, resolution, hosts: ['127.0.0.1'], port: 0 });
  await server.start();
  t.after(() => server.close());
  const resolver = new Resolver({ tries: 1 });
  resolver.setServers([`127.0.0.1:${server.ports[0]}`]);
  return { server, resolver, resolution, clock, counter: (name) => stats.counter(`dns.${name}`).value };
}

function resolve(resolution: DnsResolution, request: Buffer): Promise<Buffer | undefined> {
  return new Promise((done) => resolution.resolve(request, (answer) => done(answer)));
}

interface KnownName {
  readonly addresses: readonly string[];
  readonly ttlS: number;
}

/** Two name servers, of which only the second knows anything. */
class Upstream {
  readonly asked: string[] = [];
  holds = false;
  readonly #held: (() => void)[] = [];
  readonly #names: Readonly<Record<string, KnownName>>;

  constructor(names: Readonly<Record<string, KnownName>>) {
    this.#names = names;
  }

  release(): void {
    this.holds = false;
    for (const end of this.#held.splice(0)) end();
  }

  readonly ask: AskServer = (server, request, callback) => {
    this.asked.push(server.host);
    const query = parseQuery(request) as DnsQuery;
    const known = server.host === '192.0.2.54' ? this.#names[query.name] : undefined;
    const answer =
      known === undefined ? undefined : addressAnswer(request, query, known.addresses, known.ttlS);
    if (this.holds) this.#held.push(() => callback(answer));
    else callback(answer);
  };
}
