import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ScopeFragmentConfig } from '../config/scoped-routes-config.js';
import { HeaderMap } from '../http/header-map.js';
import { requestScopeKey, scopeKey } from './scope-key.js';

describe('the key of a scope', () => {
  it('is made of the parts that a request has in its headers', () => {
    const fragments = [whole('x-region'), element('x-session', ';', '=', 'tenant'), at('x-list', ',', 1)];
    const headers = { 'x-region': 'eu', 'x-session': 'a=1;tenant=t7;tenant=t8', 'x-list': 'a,b,c' };
    assert.equal(keyOf(fragments, headers), scopeKey(['eu', 't7', 'b']));
  });

  it('is not there when a part of it is not', () => {
    assert.equal(keyOf([whole('x-region')], {}), undefined);
    assert.equal(keyOf([at('x-list', ',', 2)], { 'x-list': 'a,b' }), undefined);
    assert.equal(keyOf([element('x-session', ';', '=', 't')], { 'x-session': 'tt=1' }), undefined);
  });

  it('parts an element from its value once, and only where the separator first is', () => {
    const fragments = [element('x-session', ';', '=', 'a')];
    assert.equal(keyOf(fragments, { 'x-session': 'a=b=c' }), 'b=c');
    assert.equal(keyOf(fragments, { 'x-session': 'a' }), '');
  });

  it('takes the first of a header that is there several times', () => {
    const headers = new HeaderMap();
    headers.append('x-region', 'eu');
    headers.append('x-region', 'us');
    assert.equal(requestScopeKey([whole('x-region')], headers), 'eu');
  });

  it('differs for different parts, whatever is in them that a header may hold', () => {
    const value = fc.string({ minLength: 0, maxLength: 4 }).filter((text) => !/[\r\n\0]/.test(text));
    const parts = fc.array(value, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const isSame = a.length === b.length && a.every((part, i) => part === b[i]);
        assert.equal(scopeKey(a) === scopeKey(b), isSame);
      }),
    );
  });
});

const whole = (header: string): ScopeFragmentConfig => at(header, '', 0);

function at(header: string, elementSeparator: string, index: number): ScopeFragmentConfig {
  return { header, elementSeparator, extract: { kind: 'index', index } };
}

function element(
  header: string,
  elementSeparator: string,
  separator: string,
  key: string,
): ScopeFragmentConfig {
  return { header, elementSeparator, extract: { kind: 'element', separator, key } };
}

function keyOf(
  fragments: readonly ScopeFragmentConfig[],
  fields: Record<string, string>,
): string | undefined {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  return requestScopeKey(fragments, headers);
}
