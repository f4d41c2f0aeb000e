import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { envoy, typeUrls } from '@heddle/xds-protos';
import fc from 'fast-check';
import { SecretSession } from './secret-session.js';
import type { ServedSecret } from './served-secret.js';

const { DiscoveryRequest, DeltaDiscoveryRequest } = envoy.service.discovery.v3;

describe('a stream of secrets (state of the world)', () => {
  it('sends what is asked for as soon as it is there, and each change of it', () => {
    const peer = new Peer('sotw');
    peer.ask(['default', 'ROOTCA']);
    assert.deepEqual(peer.sent, []);
    peer.put('ROOTCA', '1');
    assert.deepEqual(peer.sent, [['ROOTCA=1']]);
    peer.put('default', 'a');
    assert.deepEqual(peer.sent, [['ROOTCA=1']], 'one answer is under way');
    peer.ack();
    assert.deepEqual(peer.sent.slice(1), [['default=a']]);
    peer.ack();
    peer.put('default', 'b');
    assert.deepEqual(peer.sent.slice(2), [['default=b']]);
    peer.put('other', 'x');
    assert.equal(peer.sent.length, 3);
  });

  it('merges what changes while an answer is under way', () => {
    const peer = new Peer('sotw', { default: 'a' });
    peer.ask(['default']);
    for (const version of ['b', 'c', 'd']) peer.put('default', version);
    peer.ack();
    assert.deepEqual(peer.sent, [['default=a'], ['default=d']]);
    assert.equal(peer.session.acked.get('default'), 'a');
    peer.ack();
    assert.equal(peer.session.acked.get('default'), 'd');
  });

  it('does not repeat what was refused, until it changes', () => {
    const peer = new Peer('sotw', { default: 'a' });
    peer.ask(['default']);
    peer.nack('no such curve');
    assert.deepEqual(peer.nacks, ['no such curve']);
    assert.equal(peer.sent.length, 1);
    assert.equal(peer.session.acked.size, 0);
    peer.put('default', 'b');
    assert.deepEqual(peer.sent[1], ['default=b']);
  });

  it('takes an answer to an older word for nothing', () => {
    const peer = new Peer('sotw', { default: 'a' });
    peer.ask(['default']);
    peer.ack();
    peer.put('default', 'b');
    peer.session.onSotwRequest(DiscoveryRequest.create({ resourceNames: ['nothing'], responseNonce: '1' }));
    peer.put('default', 'c');
    peer.ack();
    assert.deepEqual(peer.sent, [['default=a'], ['default=b'], ['default=c']]);
  });

  it('refuses other types and too many names', () => {
    for (const request of [
      { typeUrl: typeUrls.cluster, resourceNames: ['default'] },
      { resourceNames: Array.from({ length: 65 }, (_, i) => `n${i}`) },
    ]) {
      const peer = new Peer('sotw', { default: 'a' });
      peer.session.onSotwRequest(DiscoveryRequest.create(request));
      assert.equal(peer.refusals.length, 1);
      peer.ask(['default']);
      assert.deepEqual(peer.sent, []);
    }
  });
});

describe('a stream of secrets (delta)', () => {
  it('sends nothing that the client says it holds, and knows that it does', () => {
    const peer = new Peer('delta', { default: 'a', ROOTCA: '1' });
    peer.session.onDeltaRequest(
      DeltaDiscoveryRequest.create({
        resourceNamesSubscribe: ['default', 'ROOTCA'],
        initialResourceVersions: { ROOTCA: '1' },
      }),
    );
    assert.deepEqual(peer.sent, [['default=a']]);
    peer.ack();
    assert.deepEqual(
      [...peer.session.acked],
      [
        ['ROOTCA', '1'],
        ['default', 'a'],
      ],
    );
  });

  it('sends no more of what is not asked for any more, and again what is asked for again', () => {
    const peer = new Peer('delta', { default: 'a' });
    const request = (fields: object): void =>
      peer.session.onDeltaRequest(DeltaDiscoveryRequest.create(fields));
    request({ resourceNamesSubscribe: ['default'] });
    request({ responseNonce: '1', resourceNamesUnsubscribe: ['default'] });
    peer.put('default', 'b');
    assert.deepEqual(peer.sent, [['default=a']]);
    request({ resourceNamesSubscribe: ['default'] });
    assert.deepEqual(peer.sent[1], ['default=b']);
  });
});

describe('a stream of secrets, whatever the client does', () => {
  it('ends up with the newest version of everything that is asked for, once the client takes it', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('ask' as const), names: fc.subarray(['default', 'ROOTCA', 'x']) }),
      fc.record({
        kind: fc.constant('answer' as const),
        nonce: fc.oneof(fc.string({ maxLength: 2 }), fc.nat({ max: 5 }).map(String)),
        error: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('put' as const), name: fc.constantFrom('default', 'ROOTCA') }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const peer = new Peer('sotw');
        let versions = 0;
        for (const one of steps) {
          if (one.kind === 'ask') peer.ask(one.names, peer.lastNonce);
          else if (one.kind === 'put') peer.put(one.name, String(++versions));
          else
            peer.session.onSotwRequest(
              DiscoveryRequest.create({
                responseNonce: one.nonce,
                resourceNames: ['default'],
                ...(one.error ? { errorDetail: { message: 'no' } } : {}),
              }),
            );
        }
        peer.ask(['default', 'ROOTCA'], peer.lastNonce);
        peer.put('default', 'last');
        peer.put('ROOTCA', 'last');
        for (let i = 0; i < 3; i++) peer.ask(['default', 'ROOTCA'], peer.lastNonce);
        assert.deepEqual(Object.fromEntries(peer.held), { default: 'last', ROOTCA: 'last' });
      }),
    );
  });
});

/** A session and the client at its other end. */
class Peer {
  readonly sent: string[][] = [];
  readonly held = new Map<string, string>();
  readonly nacks: string[] = [];
  readonly refusals: string[] = [];
  readonly session: SecretSession;
  lastNonce = '';
  #names: readonly string[] = [];
  readonly #secrets = new Map<string, ServedSecret>();
  readonly #variant: 'sotw' | 'delta';

  constructor(variant: 'sotw' | 'delta', secrets: Readonly<Record<string, string>> = {}) {
    this.#variant = variant;
    this.session = new SecretSession({
      variant,
      secretOf: (name) => this.#secrets.get(name),
      write: (response) => {
        this.lastNonce = response.nonce ?? '';
        const texts = (response.resources ?? []).map((resource) =>
          Buffer.from(
            ('resource' in resource ? resource.resource?.value : (resource as { value: Uint8Array }).value) ??
              [],
          ).toString(),
        );
        this.sent.push(texts);
        for (const text of texts) this.held.set(...(text.split('=') as [string, string]));
      },
      refuse: (reason) => this.refusals.push(reason),
      onNack: (message) => this.nacks.push(message),
    });
    for (const [name, version] of Object.entries(secrets)) this.put(name, version);
  }

  put(name: string, version: string): void {
    this.#secrets.set(name, { name, version, bytes: Buffer.from(`${name}=${version}`) });
    this.session.push();
  }

  ask(names: readonly string[], responseNonce = ''): void {
    this.#names = names;
    this.session.onSotwRequest(DiscoveryRequest.create({ resourceNames: [...names], responseNonce }));
  }

  ack(): void {
    if (this.#variant === 'sotw') this.ask(this.#names, this.lastNonce);
    else this.session.onDeltaRequest(DeltaDiscoveryRequest.create({ responseNonce: this.lastNonce }));
  }

  nack(message: string): void {
    this.session.onSotwRequest(
      DiscoveryRequest.create({
        resourceNames: [...this.#names],
        responseNonce: this.lastNonce,
        errorDetail: { message },
      }),
    );
  }
}
