import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import { envoy, typeUrls } from '@heddle/xds-protos';
import type { ProxySnapshot } from '../snapshot/encoded-resource.js';
import { ResourceStore } from '../snapshot/resource-store.js';
import { AdsSession } from './ads-session.js';
import { DEFAULT_SESSION_LIMITS } from './session-limits.js';

const { cluster: CDS, clusterLoadAssignment: EDS, listener: LDS, routeConfiguration: RDS } = typeUrls;

for (const variant of ['sotw', 'delta'] as const) {
  describe(`AdsSession (${variant})`, () => {
    it('answers a subscription with what the snapshot holds, and an unchanged snapshot with nothing', () => {
      const client = setup(variant);
      client.snapshot({ [CDS]: { a: '1', b: '1' } });
      client.subscribe(CDS);
      assert.deepEqual(client.take(), [{ type: CDS, names: ['a', 'b'], removed: [] }]);
      client.ack(CDS);
      client.snapshot({ [CDS]: { a: '1', b: '1' } });
      assert.deepEqual(client.take(), []);
    });

    it('answers a wildcard subscription to nothing with an empty response, so that the client can go on', () => {
      const client = setup(variant);
      client.snapshot({});
      client.subscribe(LDS);
      assert.deepEqual(client.take(), [{ type: LDS, names: [], removed: [] }]);
    });

    it('merges what changes while an answer is unacknowledged into one further answer', () => {
      const client = setup(variant);
      client.snapshot({ [CDS]: { a: '1' } });
      client.subscribe(CDS);
      client.take();
      client.snapshot({ [CDS]: { a: '2' } });
      client.snapshot({ [CDS]: { a: '3' } });
      assert.deepEqual(client.take(), []);
      client.ack(CDS);
      assert.deepEqual(client.take(), [{ type: CDS, names: ['a'], removed: [] }]);
    });

    it('sends changed endpoints at once, whatever is unacknowledged', () => {
      const client = setup(variant);
      client.snapshot({ [EDS]: { a: '1' } });
      client.subscribe(EDS, ['a']);
      assert.deepEqual(client.take(), [{ type: EDS, names: ['a'], removed: [] }]);
      client.snapshot({ [EDS]: { a: '2' } });
      assert.deepEqual(client.take(), [{ type: EDS, names: ['a'], removed: [] }]);
    });

    it('makes before it breaks: clusters, endpoints, routes, and only then the removal of the old cluster', () => {
      const client = setup(variant);
      client.snapshot({ [CDS]: { old: '1' }, [EDS]: { old: '1' }, [LDS]: { l: '1' }, [RDS]: { r: '1' } });
      client.subscribe(CDS);
      client.ack(CDS);
      client.subscribe(EDS, ['old']);
      client.ack(EDS);
      client.subscribe(LDS);
      client.ack(LDS);
      client.subscribe(RDS, ['r']);
      client.ack(RDS);
      client.take();

      client.snapshot({ [CDS]: { new: '1' }, [EDS]: { new: '1' }, [LDS]: { l: '1' }, [RDS]: { r: '2' } });
      const kept = variant === 'sotw' ? ['new', 'old'] : ['new'];
      assert.deepEqual(client.take(), [{ type: CDS, names: kept, removed: [] }]);
      client.ack(CDS);
      assert.deepEqual(client.take(), [], 'routes wait for the endpoints of the new cluster');
      client.subscribe(EDS, variant === 'sotw' ? ['new', 'old'] : ['new']);
      assert.deepEqual(client.take(), [{ type: EDS, names: ['new'], removed: [] }]);
      client.ack(EDS);
      assert.deepEqual(client.take(), [{ type: RDS, names: ['r'], removed: [] }]);
      client.ack(RDS);
      const [clusters, ...rest] = client.take();
      assert.deepEqual(
        clusters,
        variant === 'sotw'
          ? { type: CDS, names: ['new'], removed: [] }
          : { type: CDS, names: [], removed: ['old'] },
      );
      assert.deepEqual(rest, variant === 'sotw' ? [] : [{ type: EDS, names: [], removed: ['old'] }]);
    });

    it('keeps a removed cluster while the client refuses the routes that no longer name it', () => {
      const client = setup(variant);
      client.snapshot({ [CDS]: { old: '1' }, [RDS]: { r: '1' } });
      client.subscribe(CDS);
      client.ack(CDS);
      client.subscribe(RDS, ['r']);
      client.ack(RDS);
      client.take();
      client.snapshot({ [CDS]: { new: '1' }, [RDS]: { r: 'bad' } });
      client.ack(CDS);
      client.take();
      client.nack(RDS, 'no such thing');
      assert.deepEqual(client.take(), []);
      client.snapshot({ [CDS]: { new: '1' }, [RDS]: { r: 'good' } });
      assert.deepEqual(client.take(), [{ type: RDS, names: ['r'], removed: [] }]);
      client.ack(RDS);
      assert.equal(client.take().length, 1, 'now the old cluster goes');
    });

    it('lets routes through after the grace period when the client never asks for endpoints', () => {
      const client = setup(variant);
      client.snapshot({ [CDS]: { a: '1' }, [EDS]: { a: '1' }, [LDS]: { l: '1' } });
      client.subscribe(CDS);
      client.ack(CDS);
      client.take();
      client.subscribe(LDS);
      assert.deepEqual(client.take(), []);
      client.clock.advance(DEFAULT_SESSION_LIMITS.clusterGraceMs);
      assert.deepEqual(client.take(), [{ type: LDS, names: ['l'], removed: [] }]);
    });

    it('sends the endpoints of a changed cluster again, for the client warms it again', () => {
      const client = setup(variant);
      client.snapshot({ [CDS]: { a: '1' }, [EDS]: { a: '1' } });
      client.subscribe(CDS);
      client.ack(CDS);
      client.subscribe(EDS, ['a']);
      client.ack(EDS);
      client.take();
      client.snapshot({ [CDS]: { a: '2' }, [EDS]: { a: '1' } });
      assert.deepEqual(
        client.take().map(({ type }) => type),
        [CDS, EDS],
      );
    });

    it('keeps a refusal with its text until a later answer, and reports it once', () => {
      const client = setup(variant);
      client.snapshot({ [CDS]: { a: '1' } });
      client.subscribe(CDS);
      client.nack(CDS, 'a: connect_timeout must be positive');
      assert.deepEqual(client.take().length, 1);
      assert.deepEqual(client.nacks, ['a: connect_timeout must be positive']);
      const [status] = client.session.status();
      assert.equal(status?.state, 'nacked');
      assert.equal(status?.ackedVersion, '');
      client.snapshot({ [CDS]: { a: '2' } });
      client.ack(CDS);
      assert.equal(client.session.status()[0]?.state, 'synced');
    });

    it('ignores what a client says about an answer that is not the last', () => {
      const client = setup(variant);
      client.snapshot({ [EDS]: { a: '1' } });
      client.subscribe(EDS, ['a']);
      client.snapshot({ [EDS]: { a: '2' } });
      client.ack(EDS, '1');
      assert.equal(client.session.status()[0]?.state, 'sent');
      client.ack(EDS, '2');
      assert.equal(client.session.status()[0]?.state, 'synced');
    });

    it('waits with further answers while the client does not read, and then sends the latest only', () => {
      const client = setup(variant);
      client.transport.accepts = false;
      client.snapshot({ [EDS]: { a: '1' } });
      client.subscribe(EDS, ['a']);
      client.take();
      for (const version of ['2', '3', '4']) client.snapshot({ [EDS]: { a: version } });
      assert.deepEqual(client.take(), []);
      client.transport.accepts = true;
      client.session.onWritable();
      assert.equal(client.take().length, 1);
    });

    it('refuses a client that names more resources or types than the limits allow', () => {
      const client = setup(variant);
      client.subscribe(
        EDS,
        Array.from({ length: 101 }, (_, i) => `n${i}`),
      );
      assert.equal(client.refusals.length, 1);
      const other = setup(variant);
      for (let i = 0; i < 20; i++) other.subscribe(`type-${i}`, ['a']);
      assert.equal(other.refusals.length, 1, 'and nothing of it is listened to any more');
    });

    it('resends nothing to a client that comes back with what is still current', () => {
      const before = setup(variant);
      before.snapshot({ [CDS]: { a: '1', b: '1' } });
      before.subscribe(CDS);
      const held = before.responses[0];
      assert.ok(held !== undefined);
      const after = setup(variant);
      after.snapshot({ [CDS]: { a: '1', b: '1' } });
      after.resume(CDS, held.version, held.versions);
      const answers = after.take();
      // A wildcard delta client is told that it has everything; state-of-the-world clients need no word at all.
      assert.deepEqual(answers, variant === 'sotw' ? [] : [{ type: CDS, names: [], removed: [] }]);
    });
  });
}

describe('AdsSession (sotw)', () => {
  it('takes a list that became empty for the end of all interest, and not for everything', () => {
    const client = setup('sotw');
    client.snapshot({ [CDS]: { a: '1', b: '1' } });
    client.subscribe(CDS, ['a']);
    assert.deepEqual(client.take(), [{ type: CDS, names: ['a'], removed: [] }]);
    client.subscribe(CDS, []);
    client.ack(CDS);
    client.snapshot({ [CDS]: { a: '2', b: '2' } });
    assert.deepEqual(client.take(), []);
  });

  it('goes from everything to some names and back by *', () => {
    const client = setup('sotw');
    client.snapshot({ [CDS]: { a: '1', b: '1' } });
    client.subscribe(CDS);
    client.take();
    client.subscribe(CDS, ['a']);
    assert.deepEqual(client.take(), [{ type: CDS, names: ['a'], removed: [] }]);
    client.subscribe(CDS, ['*']);
    assert.deepEqual(client.take(), [{ type: CDS, names: ['a', 'b'], removed: [] }]);
    client.subscribe(CDS, []);
    client.snapshot({ [CDS]: { a: '2', b: '2' } });
    assert.deepEqual(client.take(), [], '* was a name too: an empty list now asks for nothing');
  });

  it('answers a question for a listener that does not exist, so that the client does not wait for it', () => {
    const client = setup('sotw');
    client.snapshot({ [LDS]: { l: '1' } });
    client.subscribe(LDS, ['missing']);
    assert.deepEqual(client.take(), [{ type: LDS, names: [], removed: [] }]);
  });

  it('answers a returning client that asks for endpoints, whatever version it names', () => {
    const before = setup('sotw');
    before.snapshot({ [EDS]: { a: '1' } });
    before.subscribe(EDS, ['a']);
    const after = setup('sotw');
    after.snapshot({ [EDS]: { a: '1' } });
    after.subscribe(EDS, ['a']);
    assert.equal(after.take().length, 1);
  });
});

describe('AdsSession (delta)', () => {
  it('keeps a cluster that went away while the client was, until the client has the new routes', () => {
    const before = setup('delta');
    before.snapshot({ [CDS]: { old: '1' }, [RDS]: { r: '1' } });
    before.subscribe(CDS);
    before.subscribe(RDS, ['r']);
    before.ack(CDS);
    before.ack(RDS);
    const versions = Object.assign({}, ...before.responses.map((response) => response.versions)) as object;
    const held = (name: string): Record<string, string> => ({
      [name]: (versions as Record<string, string>)[name] ?? '',
    });

    const after = setup('delta');
    after.snapshot({ [CDS]: { new: '1' }, [RDS]: { r: '2' } });
    after.resume(CDS, '', held('old'));
    assert.deepEqual(after.take(), [{ type: CDS, names: ['new'], removed: [] }]);
    after.ack(CDS);
    assert.deepEqual(after.take(), [], 'the routes that the client holds are not known yet');
    after.subscribe(RDS, ['r']);
    assert.deepEqual(after.take(), [{ type: RDS, names: ['r'], removed: [] }]);
    after.ack(RDS);
    after.clock.advance(DEFAULT_SESSION_LIMITS.clusterGraceMs);
    assert.deepEqual(after.take(), [{ type: CDS, names: [], removed: ['old'] }]);
  });

  it('tells a client that keeps everything what became of a name that it let go of', () => {
    const client = setup('delta');
    client.snapshot({ [CDS]: { a: '1' } });
    client.subscribe(CDS);
    client.ack(CDS);
    client.subscribe(CDS, ['a', 'gone']);
    client.ack(CDS);
    client.take();
    client.unsubscribe(CDS, ['a', 'gone']);
    assert.deepEqual(client.take(), [{ type: CDS, names: ['a'], removed: ['gone'] }]);
  });

  it('bounds the answers with endpoints that a client leaves unacknowledged, and sends the rest merged', () => {
    const client = setup('delta');
    client.snapshot({ [EDS]: { a: '0' } });
    client.subscribe(EDS, ['a']);
    for (let i = 1; i <= 100; i++) client.snapshot({ [EDS]: { a: String(i) } });
    assert.equal(client.take().length, DEFAULT_SESSION_LIMITS.maxOutstandingEndpoints);
    client.ack(EDS);
    assert.equal(client.take().length, 1);
  });

  it('tells a client that a name it asks for does not exist, and sends it when it appears', () => {
    const client = setup('delta');
    client.snapshot({});
    client.subscribe(RDS, ['missing']);
    assert.deepEqual(client.take(), [{ type: RDS, names: [], removed: ['missing'] }]);
    client.ack(RDS);
    client.snapshot({ [RDS]: { missing: '1' } });
    assert.deepEqual(client.take(), [{ type: RDS, names: ['missing'], removed: [] }]);
  });

  it('answers a repeated subscription to one name, although the client was sent it before', () => {
    const client = setup('delta');
    client.snapshot({ [EDS]: { a: '1' } });
    client.subscribe(EDS, ['a']);
    client.ack(EDS);
    client.take();
    client.subscribe(EDS, ['a']);
    assert.deepEqual(client.take(), [{ type: EDS, names: ['a'], removed: [] }]);
  });
});

interface Answer {
  readonly type: string;
  readonly names: readonly string[];
  readonly removed: readonly string[];
}

/** A client of one session that decodes what it is sent. */
function setup(variant: 'sotw' | 'delta') {
  const clock = new FakeClock();
  const store = new ResourceStore();
  const transport = { accepts: true };
  const responses: { type: string; nonce: string; version: string; versions: Record<string, string> }[] = [];
  let untaken: Answer[] = [];
  const refusals: string[] = [];
  const nacks: string[] = [];
  const subscribed = new Map<string, string[]>();
  const session = new AdsSession({
    variant,
    clock,
    limits: { ...DEFAULT_SESSION_LIMITS, maxNamesPerType: 100 },
    onNack: (_type, _version, message) => nacks.push(message),
    transport: {
      refuse: (reason) => refusals.push(reason),
      write: (bytes) => {
        if (variant === 'sotw') {
          const response = envoy.service.discovery.v3.DiscoveryResponse.decode(bytes);
          const names = response.resources.map(
            (any) => envoy.config.cluster.v3.Cluster.decode(any.value).name,
          );
          const { typeUrl: type, nonce, versionInfo: version } = response;
          responses.push({ type, nonce, version, versions: {} });
          untaken.push({ type, names: names.sort(), removed: [] });
        } else {
          const response = envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(bytes);
          const versions = Object.fromEntries(response.resources.map(({ name, version }) => [name, version]));
          const { typeUrl: type, nonce, systemVersionInfo: version } = response;
          responses.push({ type, nonce, version, versions });
          untaken.push({ type, names: Object.keys(versions).sort(), removed: response.removedResources });
        }
        return transport.accepts;
      },
    },
  });
  const send = (
    typeUrl: string,
    fields: {
      nonce?: string;
      error?: string;
      names?: string[];
      version?: string;
      held?: Record<string, string>;
      unsubscribed?: string[];
    },
  ) => {
    const errorDetail = fields.error === undefined ? null : { code: 3, message: fields.error };
    if (variant === 'sotw') {
      const names = fields.names ?? subscribed.get(typeUrl) ?? [];
      subscribed.set(typeUrl, names);
      session.onSotwRequest(
        envoy.service.discovery.v3.DiscoveryRequest.create({
          typeUrl,
          resourceNames: names,
          responseNonce: fields.nonce ?? '',
          versionInfo: fields.version ?? '',
          errorDetail,
        }),
      );
    } else {
      session.onDeltaRequest(
        envoy.service.discovery.v3.DeltaDiscoveryRequest.create({
          typeUrl,
          resourceNamesSubscribe: fields.names ?? [],
          resourceNamesUnsubscribe: fields.unsubscribed ?? [],
          responseNonce: fields.nonce ?? '',
          initialResourceVersions: fields.held ?? {},
          errorDetail,
        }),
      );
    }
  };
  const lastNonce = (typeUrl: string) => responses.findLast(({ type }) => type === typeUrl)?.nonce ?? '';
  return {
    session,
    clock,
    transport,
    responses,
    refusals,
    nacks,
    /** Resources by type and name; the text stands for the content. */
    snapshot: (content: Record<string, Record<string, string>>) => {
      const resources = new Map(
        Object.entries(content).map(([typeUrl, byName]) => [
          typeUrl,
          new Map(
            Object.entries(byName).map(([name, text]) => {
              // Every type's first field is its name; the content is told apart by one more.
              const value = envoy.config.cluster.v3.Cluster.encode({ name, altStatName: text }).finish();
              return [name, store.intern({ typeUrl, name, value })];
            }),
          ),
        ]),
      );
      session.onSnapshot({ resources } satisfies ProxySnapshot);
    },
    /** In state-of-the-world the names are the full list, so the last nonce goes with it. */
    subscribe: (typeUrl: string, names: string[] = []) =>
      send(typeUrl, { names, nonce: variant === 'sotw' ? lastNonce(typeUrl) : '' }),
    unsubscribe: (typeUrl: string, names: string[]) => send(typeUrl, { unsubscribed: names }),
    resume: (typeUrl: string, version: string, held: Record<string, string>) =>
      send(typeUrl, { version, held }),
    ack: (typeUrl: string, nonce = lastNonce(typeUrl)) => send(typeUrl, { nonce }),
    nack: (typeUrl: string, error: string) => send(typeUrl, { nonce: lastNonce(typeUrl), error }),
    take: () => {
      const taken = untaken;
      untaken = [];
      return taken;
    },
  };
}
