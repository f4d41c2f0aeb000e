import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { forgeCertificate, forgeRoot, uriName } from '@heddle/certs/testing';
import { requireSpiffeId } from '@heddle/certs';
import { TrustBundle, acceptCertificate, generateWorkloadKeyPair } from '@heddle/certs/workload';
import { InProcessSecrets } from './in-process-secrets.js';
import type { Secret } from './secret.js';

describe('InProcessSecrets', () => {
  it('claims its names before it has secrets for them, and no others', () => {
    const secrets = new InProcessSecrets();
    assert.deepEqual(
      ['default', 'ROOTCA', 'other'].map((name) => secrets.claims(name)),
      [true, true, false],
    );
  });

  it('tells watchers what is known, then every change, until they close', () => {
    const secrets = new InProcessSecrets();
    const { certificate, bundle } = workload();
    secrets.setWorkloadTrust(bundle);
    const seen: string[] = [];
    const trust = secrets.watch('ROOTCA', watcher(seen));
    assert.deepEqual(seen, ['trust']);
    const own = secrets.watch('default', watcher(seen));
    assert.deepEqual(seen, ['trust']);
    secrets.setWorkloadCertificate(certificate);
    secrets.set('default', undefined);
    secrets.set('default', undefined);
    assert.deepEqual(seen, ['trust', 'certificate', 'removed']);
    own.close();
    trust.close();
    secrets.setWorkloadCertificate(certificate);
    secrets.setWorkloadTrust(bundle);
    assert.equal(seen.length, 3);
  });

  it('passes over names that it does not claim', () => {
    const secrets = new InProcessSecrets(['mine']);
    const seen: string[] = [];
    secrets.watch('ROOTCA', watcher(seen)).close();
    secrets.setWorkloadTrust(workload().bundle);
    assert.deepEqual(seen, []);
  });

  it('gives the key to whoever uses it, and to no log', () => {
    const secrets = new InProcessSecrets();
    const { certificate } = workload();
    let found: Secret | undefined;
    secrets.watch('default', { onSecret: (secret) => (found = secret), onRemoved: () => undefined });
    secrets.setWorkloadCertificate(certificate);
    assert.ok(found?.kind === 'certificate');
    assert.equal(found.privateKey.reveal(), certificate.privateKeyPem());
    const secretLine = certificate.privateKeyPem().split('\n')[1] as string;
    for (const text of [
      inspect(found, { depth: 9, showHidden: true }),
      JSON.stringify(found),
      `${found.privateKey}`,
    ]) {
      assert.equal(text.includes(secretLine), false);
    }
  });
});

function watcher(seen: string[]) {
  return {
    onSecret: (secret: Secret) => void seen.push(secret.kind),
    onRemoved: () => void seen.push('removed'),
  };
}

function workload() {
  const root = forgeRoot();
  const spiffeId = requireSpiffeId('spiffe://cluster.local/ns/default/sa/web');
  const keyPair = generateWorkloadKeyPair();
  const { certificatePem } = forgeCertificate({ issuer: root, keyPair, names: [uriName(spiffeId.uri)] });
  const bundle = new TrustBundle({ trustDomain: 'cluster.local', roots: root.certificatePem });
  const certificate = acceptCertificate({
    keyPair,
    spiffeId,
    chainPem: certificatePem,
    nowMs: Date.now(),
    trustBundle: bundle,
  });
  return { certificate, bundle };
}
