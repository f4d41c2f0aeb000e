import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isMeshError } from '@heddle/common';
import { parse } from 'yaml';
import { InjectInputError, PodInjectionError } from './errors.js';
import { injectResource } from './inject-resource.js';
import { injectYaml } from './inject-yaml.js';
import { createInjectorConfig } from './injector-config.js';

const config = createInjectorConfig({ image: 'heddle.example/proxy:1' });
const pod = 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: web\n';

describe('injectYaml', () => {
  it('returns a file without workloads to the byte', () => {
    const file = '# a\n---\napiVersion:   v1\nkind: Service # b\n...\n# c\n---\n---\n# d\n';
    assert.equal(injectYaml(file, config).text, file);
    assert.equal(injectYaml('', config).text, '');
  });

  it('leaves the other documents of a file to the byte', () => {
    const before = 'apiVersion: v1\nkind:   Service\nmetadata: { name:  a }   # odd\n';
    const { text } = injectYaml(`${before}---\n${pod}---\n${before}`, config);
    assert.ok(text.startsWith(`${before}---\n`));
    assert.ok(text.endsWith(`\n---\n${before}`));
  });

  it('says what injectResource says of the same value', () => {
    const { text } = injectYaml(pod, config);
    assert.deepEqual(parse(text), injectResource(parse(pod), config).resource);
  });

  it('keeps CRLF files readable', () => {
    const { text } = injectYaml(`${pod}---\n${pod}`.replaceAll('\n', '\r\n'), config);
    assert.equal(text.match(/name: heddle-proxy/g)?.length, 2);
  });

  it('refuses what is not YAML or no resource, and says in which line', () => {
    const files = {
      'a: [': /line 1/,
      '- 1\n': /line 1: expected a resource/,
      [`${pod}---\nkind: X\n`]: /line 9: .*apiVersion/,
    };
    for (const [text, message] of Object.entries(files)) {
      assert.throws(
        () => injectYaml(text, config),
        (error: unknown) => error instanceof InjectInputError && message.test(error.message),
        text,
      );
    }
  });

  it('refuses aliases that would grow without end', () => {
    const levels = Array.from({ length: 12 }, (_, index) => {
      const before = index === 0 ? 'x' : `*a${index - 1}`;
      return `a${index}: &a${index} [${Array.from({ length: 10 }, () => before).join(', ')}]`;
    });
    const bomb = `apiVersion: v1\nkind: ConfigMap\n${levels.join('\n')}\n`;
    assert.throws(() => injectYaml(bomb, config), InjectInputError);
  });

  it('names the problems of every document, with their lines', () => {
    const bad = pod.replace(
      'name: web\nspec',
      'name: web\n  annotations: {heddle.dev/log-level: loud}\nspec',
    );
    assert.throws(
      () => injectYaml(`${bad}---\n${bad}`, config),
      (error: unknown) => {
        assert.ok(error instanceof PodInjectionError);
        assert.deepEqual(
          error.problems.map((problem) => problem.slice(0, 7)),
          ['line 5:', 'line 14'],
        );
        return true;
      },
    );
  });

  it('names the lines of JSON as well', () => {
    const bad = { 'sidecar.istio.io/logLevel': 'loud' };
    const text = JSON.stringify({ ...(parse(pod) as object), metadata: { annotations: bad } }, null, 2);
    assert.throws(() => injectYaml(text, config), /^PodInjectionError: line 6: Pod \(no name\): annotation/);
  });

  it('never throws anything but its own errors, whatever the text is', () => {
    const lines = fc.constantFrom(
      pod,
      '---\n',
      '...\n',
      '# c\n',
      'a: &x [1]\n',
      'b: *x\n',
      '<<: *x\n',
      '{',
      '- ',
      '\t',
      '? ',
      '"',
      '%YAML 1.1\n',
      '!!binary x\n',
    );
    fc.assert(
      fc.property(fc.array(lines, { maxLength: 8 }), (parts) => {
        try {
          injectYaml(parts.join(''), config);
        } catch (error) {
          assert.ok(isMeshError(error), String((error as Error).stack));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('injectResource', () => {
  it('names each problem with its resource, through lists', () => {
    const bad = {
      ...(parse(pod) as object),
      metadata: { name: 'b', annotations: { 'heddle.dev/log-level': 'loud' } },
    };
    const list = {
      apiVersion: 'v1',
      kind: 'List',
      items: [parse(pod), { apiVersion: 'v1', kind: 'PodList', items: [bad] }],
    };
    assert.throws(() => injectResource(list, config), /Pod b: annotation heddle.dev\/log-level/);
  });

  it('bounds lists within lists', () => {
    let list: object = { apiVersion: 'v1', kind: 'List', items: [] };
    for (let depth = 0; depth < 10; depth++) list = { apiVersion: 'v1', kind: 'List', items: [list] };
    assert.throws(() => injectResource(list, config), InjectInputError);
  });

  it('leaves a kind of another group alone, whatever it is called', () => {
    const job = { apiVersion: 'batch.volcano.sh/v1alpha1', kind: 'Job', spec: { tasks: [] } };
    const { resource, results } = injectResource(job, config);
    assert.equal(resource, job);
    assert.equal(results[0]?.outcome, 'not-a-workload');
  });

  it('takes former groups of kinds that clusters may still be asked for', () => {
    const deployment = {
      apiVersion: 'extensions/v1beta1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { template: { spec: { containers: [{ name: 'web' }] } } },
    };
    assert.equal(injectResource(deployment, config).results[0]?.outcome, 'injected');
  });
});
