import type { MetadataMatchConfig, ValueMatchConfig } from '../config/rbac-config.js';
import type { Condition } from './condition.js';
import type { RbacFacts } from './rbac-facts.js';
import { compileTexts } from './text-test.js';

/** A condition on what an earlier filter found out: the claims of a token, for one. Source: envoy.type.matcher.v3.MetadataMatcher. */
export class MetadataCondition implements Condition {
  readonly cost = 6;
  readonly #config: MetadataMatchConfig;
  readonly #test: ValueTest;

  constructor(config: MetadataMatchConfig, closed: boolean) {
    this.#config = config;
    this.#test = compileValue(config.value, config.invert ? !closed : closed);
  }

  matches({ dynamicMetadata }: RbacFacts): boolean {
    const { filter, path, invert } = this.#config;
    let value: unknown = dynamicMetadata?.get(filter);
    for (let i = 0; i < path.length; i++) {
      const key = path[i] as string;
      value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    }
    return this.#test(value) !== invert;
  }
}

type ValueTest = (value: unknown) => boolean;

/** Source: envoy.type.matcher.v3.ValueMatcher. What is not there matches nothing. */
function compileValue(config: ValueMatchConfig, closed: boolean): ValueTest {
  switch (config.kind) {
    case 'null':
      return (value) => value === null;
    case 'bool':
      return (value) => value === config.value;
    case 'present':
      return (value) => value !== undefined && config.present;
    case 'string': {
      const test = compileTexts([config.matcher], { bytes: false, closed });
      return (value) => typeof value === 'string' && test.matches(value);
    }
    case 'number':
      return (value) => value === config.value;
    case 'range':
      return (value) => typeof value === 'number' && value >= config.start && value < config.end;
    case 'list': {
      const entry = compileValue(config.entry, closed);
      return (value) => Array.isArray(value) && value.some(entry);
    }
    case 'or': {
      const tests = config.matchers.map((matcher) => compileValue(matcher, closed));
      return (value) => tests.some((test) => test(value));
    }
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
