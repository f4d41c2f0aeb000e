import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createInjectorConfig, injectYaml } from '@heddle/injector';
import { parse, parseAllDocuments } from 'yaml';
import { Terminal } from '../../terminal.js';
import { runInject, type InjectOptions } from './inject.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-inject-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const config = createInjectorConfig({ image: 'mesh.example/heddle:1' });

const pod = (name: string, more = ''): string =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\n${more}spec:\n  containers:\n  - name: web # the front\n    image: web:1\n`;
const service = 'apiVersion: v1\nkind:   Service # odd\nmetadata: { name: web }\n';

describe('heddle inject', () => {
  it('prints what injectYaml gives, comments and other documents kept, and counts on the other output', async () => {
    const file = write('shop.yaml', `${service}---\n${pod('web')}`);
    const { code, out, err } = await inject({ paths: [file] });
    assert.equal(code, 0);
    assert.equal(out, injectYaml(`${service}---\n${pod('web')}`, config).text);
    assert.match(out, /# odd[\s\S]*# the front[\s\S]*heddle-proxy/);
    assert.equal(err, '1 injected, 0 not injected\n');
  });

  it('changes nothing when it is run again on what it printed, and says why', async () => {
    const { out } = await inject({ paths: [write('again.yaml', pod('web'))] });
    const again = await inject({ paths: ['-'], stdin: [out.slice(0, 100), Buffer.from(out.slice(100))] });
    assert.equal(again.out, out);
    assert.match(
      again.err,
      /^standard input:1: Pod default\/web is not injected: annotation heddle.dev\/status/,
    );
  });

  it('takes a folder with everything below it, in order, as one stream of documents', async () => {
    mkdirSync(join(folder, 'all/b'), { recursive: true });
    mkdirSync(join(folder, 'all/.git'));
    write('all/b/second.yml', pod('second'));
    write('all/a.yaml', `${pod('first')}---\n`);
    write('all/c.json', JSON.stringify(parse(pod('third'))));
    write('all/.git/hidden.yaml', pod('hidden'));
    write('all/notes.txt', 'no manifest');
    const { out, err } = await inject({ paths: [join(folder, 'all')] });
    assert.deepEqual(namesIn(out), ['first', 'second', 'third']);
    assert.equal(err, '3 injected, 0 not injected\n');
  });

  it('prints a List as JSON, and one resource alone; JSON as YAML', async () => {
    const one = write('one.yaml', pod('one'));
    const two = write('two.json', JSON.stringify(parse(pod('two'))));
    const list = JSON.parse((await inject({ paths: [one, two], output: 'json' })).out) as {
      readonly kind: string;
      readonly items: readonly { readonly metadata: { readonly name: string } }[];
    };
    assert.equal(list.kind, 'List');
    assert.deepEqual(
      list.items.map(({ metadata }) => metadata.name),
      ['one', 'two'],
    );
    const single = JSON.parse((await inject({ paths: [one], output: 'json' })).out) as {
      readonly kind: string;
    };
    assert.equal(single.kind, 'Pod');
    const { out } = await inject({ paths: [two], output: 'yaml' });
    assert.match(out, /^apiVersion: v1\nkind: Pod\n/);
    assert.deepEqual(parse(out), parse((await inject({ paths: [two] })).out));
  });

  it('prints nothing to apply when anything cannot be injected, and names all of it by file and line', async () => {
    const bad = write('bad.yaml', pod('web', '  annotations:\n    heddle.dev/log-level: loud\n'));
    const broken = write('broken.yaml', 'a: [');
    const { code, out, err } = await inject({ paths: [write('good.yaml', pod('web')), bad, broken] });
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.match(err, /bad\.yaml:6: Pod web: annotation heddle\.dev\/log-level: "loud" is not known/);
    assert.match(err, /broken\.yaml: .*line 1/);
  });

  it('says why something is left as it is, and what should be known', async () => {
    const file = write(
      'skipped.yaml',
      `${pod('a', '  labels: { sidecar.istio.io/inject: "false" }\n')}---\n${pod('b', '  annotations: { heddle.dev/logg-level: info }\n')}`,
    );
    const { code, err } = await inject({ paths: [file] });
    assert.equal(code, 0);
    assert.match(
      err,
      /skipped\.yaml:1: Pod default\/a is not injected: sidecar\.istio\.io\/inject on the pod/,
    );
    assert.match(err, /skipped\.yaml:\d+: Pod default\/b: annotation .*did you mean heddle\.dev\/log-level/);
  });

  it('decides as the webhook does for a namespace, when it is told the labels', async () => {
    const paths = [write('pod.yaml', pod('web'))];
    const labels = { 'istio-injection': 'enabled' };
    assert.match((await inject({ paths, namespaceLabels: labels })).err, /^1 injected/);
    assert.match(
      (await inject({ paths, namespaceLabels: {} })).err,
      /neither the namespace nor the pod asks/,
    );
    assert.match((await inject({ paths, namespace: 'kube-system' })).err, /kube-system is never injected/);
  });

  it('says what is missing', async () => {
    const paths = [write('pod.yaml', pod('web'))];
    assert.match((await inject({ paths, image: undefined })).err, /--image names it, or --config FILE/);
    assert.match((await inject({ paths, config: join(folder, 'no') })).err, /no cannot be read/);
    const wrong = write('injector.yaml', 'image: x\nlogLevel: loud\n');
    assert.match((await inject({ paths, config: wrong })).err, /injector\.yaml: line 2: logLevel: "loud"/);
    assert.match((await inject({ paths: [join(folder, 'none')] })).err, /there is no file or folder/);
    mkdirSync(join(folder, 'empty'));
    assert.match((await inject({ paths: [join(folder, 'empty')] })).err, /no files that end in/);
  });
});

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function namesIn(text: string): readonly string[] {
  return parseAllDocuments(text)
    .map((document) =>
      'toJS' in document ? (document.toJS() as { metadata: { name: string } } | null) : null,
    )
    .flatMap((value) => value?.metadata.name ?? []);
}

async function inject(
  options: Partial<Omit<InjectOptions, 'stdin'>> & { readonly stdin?: readonly (string | Buffer)[] },
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let out = '';
  let err = '';
  const terminal = new Terminal({
    out: { write: (text: string) => (out += text) },
    err: { write: (text: string) => (err += text) },
    noColor: true,
  });
  const { stdin = [], ...rest } = options;
  const code = await runInject({
    paths: [],
    config: undefined,
    image: 'mesh.example/heddle:1',
    revision: undefined,
    namespace: undefined,
    namespaceLabels: undefined,
    output: undefined,
    ...rest,
    stdin: (async function* () {
      yield* stdin;
    })(),
    terminal,
  });
  return { code, out, err };
}
