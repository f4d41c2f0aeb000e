import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { defaultMeshSettings } from './mesh-settings.js';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import { buildModel } from './build-model.js';
import type { MeshResource } from './mesh-resource.js';
import type { KeySets, KeySetState } from './key-sets.js';
import { jwtRulesOf, wantedKeySources } from './request-authentication.js';

const reviews = { namespace: 'default', labels: { app: 'reviews' } };

describe('jwtRulesOf', () => {
  it('adds up the policies of mesh, namespace and workload, by issuer', () => {
    const { model } = build([
      policy('own', [{ issuer: 'https://c' }, { issuer: 'https://a' }], { app: 'reviews' }),
      policy('all', [{ issuer: 'https://b' }]),
      policy('mesh', [{ issuer: 'https://d' }], { namespace: 'istio-system' }),
      policy('other', [{ issuer: 'https://e' }], { app: 'ratings' }),
      policy('far', [{ issuer: 'https://f' }], { namespace: 'far' }),
    ]);
    assert.deepEqual(
      jwtRulesOf(model.requestAuthentications, reviews).map(({ issuer }) => issuer),
      ['https://a', 'https://b', 'https://c', 'https://d'],
    );
  });

  it('keeps nothing of a private key that somebody wrote down', () => {
    const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    const { model } = build([policy('a', [{ issuer: 'a', jwks: JSON.stringify({ keys: [key] }) }])]);
    const [rule] = jwtRulesOf(model.requestAuthentications, reviews);
    assert.ok(rule?.keys.kind === 'inline' && key.x !== undefined && key.d !== undefined);
    assert.ok(rule.keys.jwks.includes(key.x));
    assert.ok(!rule.keys.jwks.includes(key.d));
  });
});

describe('wantedKeySources', () => {
  it('names each source once, with the longest timeout, and an issuer where no URL is given', () => {
    const resources = read([
      policy('a', [
        { issuer: 'https://a', jwksUri: 'https://keys', timeout: '2s' },
        { issuer: 'https://b', jwks_uri: 'https://keys', timeout: '9s' },
        { issuer: 'https://c' },
      ]),
    ]);
    assert.deepEqual(
      [...wantedKeySources(resources)],
      [
        ['https://keys', 9000],
        ['openid https://c', undefined],
      ],
    );
  });
});

describe('key sets that cannot be fetched', () => {
  it('are a warning at the field that names them, with what it means for tokens', () => {
    const policies = [
      policy('a', [{ issuer: 'https://a', jwksUri: 'https://keys' }, { issuer: 'https://b' }]),
    ];
    const { problems } = build(policies, {
      'https://keys': { jwks: undefined, problem: 'connection refused' },
      'openid https://b': { jwks: '{}', problem: 'status 500' },
    });
    assert.deepEqual(
      problems.map(({ field, severity }) => [field, severity]),
      [
        ['spec.jwtRules[0].jwksUri', 'warning'],
        ['spec.jwtRules[1].issuer', 'warning'],
      ],
    );
    assert.match(problems[0]?.message ?? '', /every token of "https:\/\/a" is refused: connection refused/);
    assert.match(problems[1]?.message ?? '', /the last good keys stay in force: status 500/);
  });

  it('are no problem before the first fetch ended, nor where nobody fetches', () => {
    const policies = [policy('a', [{ issuer: 'https://a' }])];
    assert.deepEqual(build(policies).problems, []);
    assert.deepEqual(
      build(policies, { 'openid https://a': { jwks: undefined, problem: undefined } }).problems,
      [],
    );
  });

  it('make another configuration when they come', () => {
    const policies = [policy('a', [{ issuer: 'https://a' }])];
    assert.notEqual(
      build(policies, {}, 'before').model.configHash,
      build(policies, {}, 'after').model.configHash,
    );
  });
});

function policy(
  name: string,
  jwtRules: readonly object[],
  { namespace = 'default', app }: { readonly namespace?: string; readonly app?: string } = {},
): object {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata: { name, namespace },
    spec: { jwtRules, ...(app === undefined ? {} : { selector: { matchLabels: { app } } }) },
  };
}

function build(
  policies: readonly object[],
  states: Readonly<Record<string, KeySetState>> = {},
  revision = '',
): ReturnType<typeof buildModel> {
  const keySets: KeySets = { revision, get: (source) => states[source] };
  return buildModel(
    new Map(read(policies).map((resource) => [resource.key, resource])),
    { ...defaultMeshSettings, rootNamespace: 'istio-system', trustDomain: 'cluster.local' },
    keySets,
  );
}

function read(policies: readonly object[]): readonly MeshResource[] {
  const { resources, problems } = parseMeshFile(JSON.stringify({ kind: 'List', items: policies }), 'a.yaml');
  assert.deepEqual(problems, []);
  return resources;
}
