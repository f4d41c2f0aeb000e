import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import type { MeshExplanation } from '@heddle/control-plane';
import { Terminal } from '../../terminal.js';
import { runExplain, type ExplainOptions } from './run-explain.js';

describe('heddle explain of a folder', () => {
  let folder = '';

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'heddle-explain-'));
    writeFileSync(join(folder, 'shop.yaml'), SHOP);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function explained(
    more: Partial<ExplainOptions>,
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
    let out = '';
    let err = '';
    const terminal = new Terminal({
      out: { write: (text: string) => (out += text) },
      err: { write: (text: string) => (err += text) },
      noColor: true,
    });
    const code = await runExplain({
      folders: [folder],
      rootNamespace: 'istio-system',
      from: 'web',
      as: undefined,
      method: 'GET',
      url: 'http://reviews:9080/',
      headers: [],
      via: undefined,
      output: 'text',
      stateFolder: '.heddle',
      apiPort: undefined,
      tokenFile: undefined,
      environment: {},
      clock: new FakeClock(),
      terminal,
      ...more,
    });
    return { code, out, err };
  }

  it('names the rule that matched with its line, and of the others why they did not', async () => {
    const { code, out } = await explained({ headers: ['end-user: jason'] });
    assert.equal(code, 0);
    assert.match(
      out,
      /✓ {2}default\/reviews\/jason +prefix "\/" +VirtualService default\/reviews \(.*shop\.yaml:40\)/,
    );
    const other = (await explained({})).out;
    assert.match(other, /✗ {2}default\/reviews\/jason +header end-user is absent, wanted exact "jason"/);
    assert.match(other, /✓ {2}default\/reviews\/1 .*shop\.yaml:43\)/);
  });

  it('tells every way that chance may take, with its share, its subset and what is spoken there', async () => {
    const { out } = await explained({});
    assert.match(out, /^75 % of requests$/m);
    assert.match(out, /^25 % of requests$/m);
    assert.match(out, /→ outbound\|9080\|v1\|reviews\.default\.svc\.cluster\.local/);
    assert.match(out, /by +DestinationRule default\/reviews \(.*shop\.yaml:27\)/);
    assert.match(out, /endpoints +10\.240\.0\.\d+:9080, mutual TLS, SNI outbound_\.9080_\.v1_\./);
  });

  it('asks the sidecar of the destination too, and names the policy that decides there', async () => {
    const { out } = await explained({ method: 'DELETE', output: 'json' });
    const { outbound, policies } = JSON.parse(out) as MeshExplanation;
    const arrival = outbound.ways[0]?.arrivals[0];
    assert.equal(arrival?.principal, 'spiffe://cluster.local/ns/default/sa/default');
    const filter = arrival.explanation?.ways[0]?.filters.at(-1);
    assert.deepEqual(
      [filter?.verdict, filter?.answer?.status, filter?.answer?.details],
      ['answers', 403, 'rbac_access_denied_matched_policy[ns[default]-policy[no-deletes]-rule[0]]'],
    );
    assert.equal(policies['ns[default]-policy[no-deletes]-rule[0]']?.line, 60);
  });

  it('says whom it knows where it does not know who calls, and describes strangers when it is told of them', async () => {
    const { code, err } = await explained({ from: 'curl' });
    assert.equal(code, 1);
    assert.match(
      err,
      /no Workload or Gateway curl\.default .*--from takes reviews-v1\.default, .*web\.default/,
    );
    const as = { labels: {}, serviceAccount: 'curl' };
    assert.match(
      (await explained({ from: 'curl', as })).out,
      /as spiffe:\/\/cluster\.local\/ns\/default\/sa\/curl/,
    );
  });

  it('refuses what is no request', async () => {
    for (const wrong of [
      { url: 'ftp://x/' },
      { headers: ['no colon'] },
      { folders: [join(folder, 'none')] },
    ]) {
      const { code, err } = await explained(wrong);
      assert.equal(code, 1, JSON.stringify(wrong));
      assert.match(err, /^heddle: /);
    }
  });
});

const SHOP = `apiVersion: v1
kind: Service
metadata: { name: reviews }
spec:
  selector: { app: reviews }
  ports: [{ name: http, port: 9080 }]
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: web, labels: { app: web } }
spec: { command: [node, web.js], ports: [{ name: http, port: 8000 }] }
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: reviews-v1, labels: { app: reviews, version: v1 } }
spec:
  command: [node, reviews.js]
  ports: [{ name: http, port: 9080 }]
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: reviews-v2, labels: { app: reviews, version: v2 } }
spec:
  command: [node, reviews.js]
  ports: [{ name: http, port: 9080 }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
    - name: jason
      match: [{ headers: { end-user: { exact: jason } } }]
      route: [{ destination: { host: reviews, subset: v2 } }]
    - route:
        - { destination: { host: reviews, subset: v1 }, weight: 75 }
        - { destination: { host: reviews, subset: v2 }, weight: 25 }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: everybody }
spec:
  selector: { matchLabels: { app: reviews } }
  rules: [{}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-deletes }
spec:
  action: DENY
  rules:
    - to: [{ operation: { methods: [DELETE] } }]
`;
