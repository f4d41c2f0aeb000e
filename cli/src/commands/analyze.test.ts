import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Terminal } from '../terminal.js';
import { runAnalyze } from './analyze.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-analyze-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('heddle analyze', () => {
  it('knows which namespace holds the policies of the whole mesh', async () => {
    writeFileSync(
      join(folder, 'policy.yaml'),
      `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: operations }
spec: { mtls: { mode: STRICT } }
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: web, namespace: shop }
spec: { command: [web], labels: { app: web } }
`,
    );
    assert.match(await analyze('istio-system'), /istio-system for the whole mesh/);
    assert.doesNotMatch(await analyze('operations'), /for the whole mesh/);
  });
});

async function analyze(rootNamespace: string): Promise<string> {
  let told = '';
  const stream = { write: (text: string) => (told += text) };
  const terminal = new Terminal({ out: stream, err: stream, noColor: true });
  await runAnalyze({ folders: [folder], rootNamespace, output: 'text', terminal });
  return told;
}
