import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { INTERNAL_HEADERS } from './header-names.js';

describe('internal header names', () => {
  it('all begin with x-envoy-, by which a request without any of them is told', () => {
    for (const name of INTERNAL_HEADERS) assert.ok(name.startsWith('x-envoy-'), name);
  });
});
