import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeMetadata } from '../../testing/istio-samples.js';
import { agreesWith, namespaceOfPrincipal, PeerCache } from './peer-cache.js';
import { encodePeerMetadata } from './peer-metadata-header.js';
import { workloadMetadataOf } from './workload-metadata.js';

const CART = 'spiffe://cluster.local/ns/shop/sa/cart';

describe('the cache of peers', () => {
  it('gives one object for one value, whatever the connection', () => {
    const cache = new PeerCache();
    const value = headerOf('shop', 'cart');
    const first = cache.find(value, CART, 1);
    assert.equal(first?.workload, 'cart');
    assert.equal(cache.find(`${value.slice(0, 5)}${value.slice(5)}`, CART, 2), first);
    assert.equal(cache.size, 1);
  });

  it('believes nothing that disagrees with what the peer proved', () => {
    const cache = new PeerCache();
    const value = headerOf('bank', 'vault');
    assert.equal(cache.find(value, CART, 1), undefined);
    assert.equal(cache.find(value, 'spiffe://cluster.local/ns/bank/sa/vault', 1)?.workload, 'vault');
    assert.equal(cache.find(value, CART, 1), undefined);
  });

  it('believes nothing of a peer that proved nothing', () => {
    const cache = new PeerCache();
    for (const principal of ['', 'spiffe://cluster.local/ns/shop', 'shop', 'spiffe:///ns/shop/sa/cart']) {
      assert.equal(cache.find(headerOf('shop', 'cart'), principal, 1), undefined, principal);
    }
  });

  it('forgets, but stays within its bound, when every request brings another value', () => {
    const cache = new PeerCache();
    for (let i = 0; i < 5000; i++) {
      assert.equal(cache.find(headerOf('shop', `w${i}`), CART, i)?.workload, `w${i}`);
      assert.ok(cache.size <= 500);
    }
  });

  it('remembers what is no metadata as well', () => {
    const cache = new PeerCache();
    assert.equal(cache.find('!', CART, 1), undefined);
    assert.equal(cache.find('!', CART, 2), undefined);
    assert.equal(cache.size, 1);
  });
});

describe('agreement with a SPIFFE ID', () => {
  it('holds the service account against it where it is told', () => {
    const metadata = workloadMetadataOf(nodeMetadata({ NAMESPACE: 'shop', SERVICE_ACCOUNT: 'cart' }));
    assert.ok(agreesWith(metadata, CART));
    assert.ok(!agreesWith(metadata, 'spiffe://cluster.local/ns/shop/sa/other'));
    assert.ok(!agreesWith(metadata, `${CART}/more`));
    assert.ok(!agreesWith(workloadMetadataOf(undefined), 'spiffe://cluster.local/ns//sa/cart'));
  });

  it('takes the namespace from it', () => {
    assert.equal(namespaceOfPrincipal(CART), 'shop');
    assert.equal(namespaceOfPrincipal('spiffe://example.org/somebody'), '');
  });
});

function headerOf(namespace: string, workload: string): string {
  return encodePeerMetadata(
    workloadMetadataOf(nodeMetadata({ NAMESPACE: namespace, WORKLOAD_NAME: workload })),
  );
}
