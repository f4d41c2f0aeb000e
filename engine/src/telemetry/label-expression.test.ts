import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HeaderMap } from '../http/header-map.js';
import type { RequestHead } from '../http/message-head.js';
import { parseLabelExpression, readRequestAttribute } from './label-expression.js';

describe('the expression of a label', () => {
  it('is a text in quotes', () => {
    assert.deepEqual(parseLabelExpression(' "a b" '), { kind: 'text', value: 'a b' });
    assert.deepEqual(parseLabelExpression("''"), { kind: 'text', value: '' });
  });

  it('is something that the request says', () => {
    const headers = new HeaderMap();
    headers.append('x-team', 'blue');
    const head: RequestHead = {
      method: 'GET',
      scheme: 'https',
      authority: 'cart:80',
      path: '/a/b?c=d',
      headers,
      version: 'HTTP/1.1',
      upgrade: '',
    };
    for (const [expression, value] of [
      ['request.method', 'GET'],
      ['request.host', 'cart:80'],
      ['request.scheme', 'https'],
      ['request.path', '/a/b?c=d'],
      ['request.url_path', '/a/b'],
      ["request.headers['X-Team']", 'blue'],
      ['string(request.headers["x-other"])', undefined],
    ] as const) {
      const parsed = parseLabelExpression(expression);
      assert.ok(parsed?.kind === 'header' || parsed?.kind === 'url-path', expression);
      assert.equal(readRequestAttribute(parsed, head), value, expression);
    }
    assert.deepEqual(parseLabelExpression('string( response.code )'), {
      kind: 'label',
      name: 'response_code',
    });
  });

  it('is nothing else', () => {
    for (const expression of [
      '',
      'request',
      '"a" + "b"',
      "request.headers['a b']",
      'request.size',
      '"a\\""',
    ]) {
      assert.equal(parseLabelExpression(expression), undefined, expression);
    }
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (expression) => {
        parseLabelExpression(expression);
      }),
    );
  });
});
