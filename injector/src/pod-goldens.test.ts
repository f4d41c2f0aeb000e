import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isMeshError } from '@heddle/common';
import { parseAllDocuments } from 'yaml';
import { injectYaml } from './inject-yaml.js';
import { type InjectResourceOptions } from './inject-resource.js';
import { createInjectorConfig, type InjectorOptions } from './injector-config.js';

const folder = fileURLToPath(new URL('../testdata/pods/', import.meta.url));
const update = process.env['HEDDLE_UPDATE_GOLDENS'] === '1';
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml') && !file.endsWith('.golden.yaml'))
  .map((file) => file.slice(0, -'.yaml'.length));

describe('injectYaml', () => {
  it('has a golden for at least 25 pod shapes', () => {
    assert.ok(names.length >= 25, `${names.length} shapes`);
  });

  for (const name of names) {
    it(`injects as the golden of "${name}" says`, () => {
      const text = readFileSync(`${folder}${name}.yaml`, 'utf8');
      const golden = `${folder}${name}.golden.yaml`;
      const actual = outcome(text);
      if (update) writeFileSync(golden, actual);
      assert.ok(existsSync(golden), 'no golden: set HEDDLE_UPDATE_GOLDENS=1 to write it');
      assert.equal(actual, readFileSync(golden, 'utf8'), 'set HEDDLE_UPDATE_GOLDENS=1 to accept');
    });

    it(`adds nothing when "${name}" is injected again`, () => {
      const { config, options, text } = testCase(readFileSync(`${folder}${name}.yaml`, 'utf8'));
      if (name.startsWith('refused-')) return;
      const once = injectYaml(text, config, options).text;
      assert.equal(injectYaml(once, config, options).text, once);
      assert.deepEqual(
        parseAllDocuments(once).flatMap((document) => ('errors' in document ? document.errors : [])),
        [],
      );
    });
  }
});

/** What a file says in its first line about how it is injected. */
function testCase(text: string): {
  readonly config: ReturnType<typeof createInjectorConfig>;
  readonly options: InjectResourceOptions;
  readonly text: string;
} {
  const given = /^# (config|options): (.*)\n/.exec(text);
  const value = given === null ? {} : (JSON.parse(given[2] as string) as object);
  const changes: Partial<InjectorOptions> = given?.[1] === 'config' ? value : {};
  return {
    config: createInjectorConfig({ image: 'heddle.example/proxy:1', ...changes }),
    options: given?.[1] === 'options' ? value : {},
    text,
  };
}

function outcome(source: string): string {
  const { config, options, text } = testCase(source);
  try {
    const { text: injected, results, warnings } = injectYaml(text, config, options);
    const lines = results.flatMap(({ kind, name, namespace, outcome: result, skipped, warnings: more }) => [
      `#> ${kind} ${namespace}/${name}: ${result}${skipped ? ` (${skipped.reason}: ${skipped.detail})` : ''}`,
      ...more.map((warning) => `#> warning: ${warning}`),
    ]);
    return `${[...lines, ...warnings.map((warning) => `#> warning: ${warning}`)].join('\n')}\n${injected}`;
  } catch (error) {
    if (!isMeshError(error)) throw error;
    const { message } = error as Error;
    return `#> refused\n${message.replace(/^/gm, '#> ')}\n`;
  }
}
