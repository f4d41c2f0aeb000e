import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import type { AuthorizationPolicySpec } from '../model/specs/security.js';
import { createFileSource, type FileSource, type SourceChange } from './file-source.js';

describe('a security policy that was never valid', () => {
  it('denies for those that it is for, with the error shown', async () => {
    const { standIns, problems } = await coldStart(
      policy('selector: { matchLabels: { app: shop } }, action: ALOW', 'p', 'web'),
    );
    assert.deepEqual(standIns(), {
      'AuthorizationPolicy/web/p': {
        selector: { matchLabels: { app: 'shop' } },
        action: 'DENY',
        rules: [{}],
      },
    });
    assert.deepEqual(problems(), [
      'it is not valid and never was: until it is, everything to those that it is for is refused (what it should keep out is not known)',
      'action cannot be "ALOW"',
    ]);
  });

  it('denies in its whole namespace where it cannot be read whom it is for', async () => {
    const specs = [
      'selector: { matchLabel: { app: shop } }',
      'selector: { matchLabels: { app: "?" } }',
      'selctor: { matchLabels: { app: shop } }',
      'selector: { matchLabels: { app: shop } }, targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: a }]',
      'selector: [shop]',
    ];
    for (const spec of specs) {
      const { standIns } = await coldStart(policy(spec));
      assert.deepEqual(standIns(), { 'AuthorizationPolicy/default/p': EVERYTHING }, spec);
    }
  });

  it('makes way for its first good version, which then outlives mistakes', async () => {
    const { folder, standIns, source, last } = await coldStart(policy('action: ALOW'));
    writeFileSync(join(folder, 'a.yaml'), policy('action: ALLOW'));
    await source.rescan();
    assert.deepEqual(standIns(), {});
    assert.deepEqual(specOf(last(), 'AuthorizationPolicy/default/p'), { action: 'ALLOW' });
    for (const broken of [
      policy('action: ALOW'),
      'kind: AuthorizationPolicy "',
      policy('', 'p').replace('kind', 'kin'),
    ]) {
      writeFileSync(join(folder, 'a.yaml'), broken);
      await source.rescan();
      assert.deepEqual(standIns(), {}, broken);
      assert.deepEqual(specOf(last(), 'AuthorizationPolicy/default/p'), { action: 'ALLOW' }, broken);
    }
    rmSync(join(folder, 'a.yaml'));
    await source.rescan();
    assert.equal(last().resources.size, 0);
  });

  it('denies as long as it is not valid, whatever the mistake is, and no longer than it is written', async () => {
    const { folder, standIns, source, last } = await coldStart(policy('action: ALOW'));
    writeFileSync(join(folder, 'a.yaml'), policy('selector: { matchLabels: { app: a } }, rule: []'));
    await source.rescan();
    assert.deepEqual(Object.values(standIns())[0]?.selector, { matchLabels: { app: 'a' } });
    rmSync(join(folder, 'a.yaml'));
    await source.rescan();
    assert.equal(last().resources.size, 0);
  });

  it('denies beside good resources of its file, which are in force', async () => {
    const { standIns, last } = await coldStart(
      `${policy('rules: [{}]', 'good')}---\n${policy('rule: [{}]', 'bad')}`,
    );
    assert.deepEqual(Object.keys(standIns()), ['AuthorizationPolicy/default/bad']);
    assert.deepEqual(specOf(last(), 'AuthorizationPolicy/default/good'), { rules: [{}] });
  });

  it('does not deny where another file has a good version of it', async () => {
    const { standIns } = await coldStart(policy('rule: [{}]'), policy('rules: [{}]'));
    assert.deepEqual(standIns(), {});
  });

  it('denies when its text cannot be read, in the namespaces that it names', async () => {
    const unclosed = policy('rules: [{', 'p', 'web').replace(' }\n', '\n');
    assert.deepEqual((await coldStart(unclosed)).standIns(), {
      'AuthorizationPolicy/web/line 1': EVERYTHING,
    });
    const nowhere = 'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n\tname: p\n';
    assert.deepEqual((await coldStart(nowhere)).standIns(), {
      'AuthorizationPolicy/default/line 1': EVERYTHING,
    });
    const json = '{ "kind": "AuthorizationPolicy", "metadata": { "namespace": "web" ';
    assert.deepEqual(Object.keys((await coldStart(json)).standIns()), ['AuthorizationPolicy/web/line 1']);
  });

  it('denies when a mistake before it hides it, and not for what could be read', async () => {
    const good = policy('rules: [{}]', 'good');
    const quote = 'apiVersion: v1\nkind: Service\nmetadata: { name: "a }\n';
    const { standIns, last } = await coldStart(
      `${good}---\n${quote}---\n${policy('rules: [{}]', 'hidden', 'web')}`,
    );
    assert.deepEqual(Object.keys(standIns()), ['AuthorizationPolicy/web/line 9']);
    assert.ok(last().resources.has('AuthorizationPolicy/default/good'));
    const other = await coldStart(`# kind: AuthorizationPolicy\n${quote}`);
    assert.deepEqual(other.standIns(), {});
  });

  it('denies when its kind or version is not known, or its name', async () => {
    const misspelt = policy('rules: [{}]').replace('AuthorizationPolicy', 'AuthorizationPolcy');
    assert.deepEqual(Object.keys((await coldStart(misspelt)).standIns()), ['AuthorizationPolicy/default/p']);
    const version = policy('rules: [{}]').replace('/v1', '/v9');
    assert.deepEqual(Object.keys((await coldStart(version)).standIns()), ['AuthorizationPolicy/default/p']);
    const noKind = policy('rules: [{}]').replace('kind: AuthorizationPolicy\n', '');
    assert.deepEqual(Object.keys((await coldStart(noKind)).standIns()), ['AuthorizationPolicy/default/p']);
    const noName = policy('rules: [{}]').replace('name: p,', '');
    assert.deepEqual(Object.keys((await coldStart(noName)).standIns()), [
      'AuthorizationPolicy/default/line 1',
    ]);
  });

  it('of another kind denies as well', async () => {
    for (const kind of ['PeerAuthentication', 'RequestAuthentication']) {
      const text = policy('mtsl: { mode: STRICT }').replace('AuthorizationPolicy', kind);
      assert.deepEqual((await coldStart(text)).standIns(), {
        [`AuthorizationPolicy/default/${kind} p`]: EVERYTHING,
      });
    }
  });

  it('denies nothing where it never would have', async () => {
    assert.deepEqual((await coldStart(policy('action: AUDIT, rule: []'))).standIns(), {});
    const tried = policy('rule: []').replace(
      'name: p,',
      'name: p, annotations: { istio.io/dry-run: "true" },',
    );
    assert.deepEqual((await coldStart(tried)).standIns(), {});
    const service = 'apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { port: 1 }\n';
    assert.deepEqual((await coldStart(service)).standIns(), {});
  });
});

const EVERYTHING: AuthorizationPolicySpec = { action: 'DENY', rules: [{}] };

const folders: string[] = [];
const sources: FileSource[] = [];
after(() => {
  for (const source of sources) source.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function policy(spec: string, name = 'p', namespace = 'default'): string {
  return `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: ${name}, namespace: ${namespace} }\nspec: { ${spec} }\n`;
}

function specOf(change: SourceChange, key: string): unknown {
  return change.resources.get(key)?.spec;
}

/** What a source that begins with these files tells. */
async function coldStart(...files: string[]): Promise<{
  readonly folder: string;
  readonly source: FileSource;
  readonly last: () => SourceChange;
  readonly standIns: () => Record<string, AuthorizationPolicySpec>;
  readonly problems: () => string[];
}> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-stand-in-'));
  folders.push(folder);
  files.forEach((text, i) => writeFileSync(join(folder, `${'abc'[i] ?? 'd'}.yaml`), text));
  const changes: SourceChange[] = [];
  const source = createFileSource({
    folders: [folder],
    log: { warn: () => undefined },
    clock: new FakeClock(),
    onChange: (change) => changes.push(change),
  });
  sources.push(source);
  await source.ready;
  const last = (): SourceChange => changes.at(-1) as SourceChange;
  return {
    folder,
    source,
    last,
    standIns: () =>
      Object.fromEntries(
        [...last().resources]
          .filter(([, { standsIn }]) => standsIn === true)
          .map(([key, { spec }]) => [key, spec as AuthorizationPolicySpec]),
      ),
    problems: () => last().problems.map(({ message }) => message),
  };
}
