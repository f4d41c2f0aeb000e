import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { envoy } from '@heddle/xds-protos';
import type { IdentityArguments } from './command-line.js';
import { identityConfigOf } from './identity-config.js';

const NOTHING: IdentityArguments = {
  caAddress: undefined,
  caServerName: undefined,
  caRootFile: undefined,
  caTokenFile: undefined,
  identity: undefined,
  certificateTtl: undefined,
};

describe('the identity of a proxy', () => {
  it('is none unless an authority is named', () => {
    assert.deepEqual(identityConfigOf(NOTHING, null), { identity: undefined, problems: [] });
    const node = nodeOf({ NAMESPACE: 'shop', SERVICE_ACCOUNT: 'web' });
    assert.equal(identityConfigOf(NOTHING, node).identity, undefined);
  });

  it('comes from the command line', () => {
    const { identity, problems } = identityConfigOf(
      {
        caAddress: '127.0.0.1:15012',
        caServerName: 'istiod.istio-system.svc',
        caRootFile: 'roots.pem',
        caTokenFile: 'token',
        identity: 'spiffe://example.org/ns/shop/sa/web',
        certificateTtl: '90m',
      },
      null,
    );
    assert.deepEqual(problems, []);
    assert.equal(identity?.spiffeId.uri, 'spiffe://example.org/ns/shop/sa/web');
    assert.equal(identity.certificateTtlMs, 5_400_000);
    assert.equal(identity.caServerName, 'istiod.istio-system.svc');
  });

  it('comes from node metadata where the command line says nothing, and of namespace and service account at last', () => {
    const node = nodeOf({
      HEDDLE_CA_ADDRESS: '127.0.0.1:1',
      HEDDLE_CA_ROOT_FILE: 'a.pem',
      NAMESPACE: 'shop',
      SERVICE_ACCOUNT: 'web',
    });
    const { identity } = identityConfigOf({ ...NOTHING, caRootFile: 'b.pem' }, node);
    assert.equal(identity?.caAddress, '127.0.0.1:1');
    assert.equal(identity.rootsFile, 'b.pem');
    assert.equal(identity.tokenFile, undefined);
    assert.equal(identity.spiffeId.uri, 'spiffe://cluster.local/ns/shop/sa/web');
  });

  it('names everything that is wrong, where it can be mended', () => {
    const paths = (given: Partial<IdentityArguments>): readonly string[] => {
      const { identity, problems } = identityConfigOf(
        { ...NOTHING, ...given },
        nodeOf({ NAMESPACE: 'shop' }),
      );
      assert.equal(identity, undefined);
      return problems.map(({ path, message }) => `${path} ${message}`);
    };
    assert.match(paths({ caTokenFile: 'token' }).join(), /HEDDLE_CA_ADDRESS \(or --ca-address\) is missing/);
    const found = paths({ caAddress: 'x', identity: 'spiffe://td', certificateTtl: 'soon' });
    assert.equal(found.length, 3);
    assert.match(found[0] ?? '', /HEDDLE_CA_ROOT_FILE \(or --ca-root-file\) is missing/);
    assert.match(found[1] ?? '', /HEDDLE_IDENTITY expected spiffe:/);
    assert.match(found[2] ?? '', /HEDDLE_CERT_TTL expected a duration of a second at least/);
    assert.match(paths({ caAddress: 'x', caRootFile: 'y' }).join(), /whose certificate is wanted/);
  });
});

function nodeOf(metadata: Readonly<Record<string, string>>): envoy.config.core.v3.Node {
  const fields = Object.fromEntries(
    Object.entries(metadata).map(([name, stringValue]) => [name, { stringValue }]),
  );
  return envoy.config.core.v3.Node.create({ metadata: { fields } });
}
