import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { fieldName, FieldRole, keptFieldNames, MOST_FIELD_NAMES } from './field-name.js';

describe('names of fields in HTTP/2', () => {
  it('are kept up to a bound, whoever sends how many, and those of the protocol always', () => {
    for (let i = 0; i < 3 * MOST_FIELD_NAMES; i++) fieldName(`x-hostile-${i}`);
    assert.equal(keptFieldNames(), MOST_FIELD_NAMES);
    assert.ok(fieldName('grpc-timeout').id >= 0);
    const other = fieldName('x-later');
    assert.deepEqual([other.name, other.id, other.role], ['x-later', -1, FieldRole.Ordinary]);
  });

  it('are not kept when they are malformed', () => {
    const before = keptFieldNames();
    for (const name of ['X-Upper', '', 'a b', 'a:b', ':unknown', 'ä']) {
      assert.equal(fieldName(name).role, FieldRole.Malformed, name);
    }
    assert.equal(keptFieldNames(), before);
  });
});
