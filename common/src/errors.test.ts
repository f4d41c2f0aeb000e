import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokenInvariantError, MeshError, describeError, invariant, isMeshError } from './errors.js';

class ExampleError extends MeshError {
  override readonly code = 'MESH_EXAMPLE';
}

describe('MeshError', () => {
  it('carries the code, the name and the cause of its subclass', () => {
    const cause = new Error('disk full');
    const error = new ExampleError('could not save', { cause });
    assert.equal(error.code, 'MESH_EXAMPLE');
    assert.equal(error.name, 'ExampleError');
    assert.equal(error.cause, cause);
    assert.match(String(error.stack), /ExampleError: could not save|Error: could not save/);
    assert.ok(error instanceof Error);
  });

  it('has no cause when none was given', () => {
    assert.equal('cause' in new ExampleError('alone'), false);
  });
});

describe('isMeshError', () => {
  it('knows ours by the code, also from another copy of the package', () => {
    assert.equal(isMeshError(new ExampleError('x')), true);
    assert.equal(isMeshError(Object.assign(new Error('x'), { code: 'MESH_OTHER_COPY' })), true);
  });

  it('refuses errors of Node and values that are not errors', () => {
    assert.equal(isMeshError(Object.assign(new Error('x'), { code: 'ECONNRESET' })), false);
    assert.equal(isMeshError({ code: 'MESH_EXAMPLE' }), false);
    assert.equal(isMeshError(null), false);
  });
});

describe('invariant', () => {
  it('throws only when the condition does not hold', () => {
    invariant('anything true', 'never seen');
    assert.throws(
      () => invariant(undefined, 'the snapshot has no version'),
      (error: unknown) => error instanceof BrokenInvariantError && error.code === 'MESH_BROKEN_INVARIANT',
    );
  });
});

describe('describeError', () => {
  it('joins the messages of the causes on one line', () => {
    const error = new ExampleError('could not save', { cause: new Error('line one\nline two') });
    assert.equal(describeError(error), 'could not save: line one line two');
  });

  it('ends on causes that form a loop', () => {
    const error: Error = new Error('a');
    error.cause = error;
    assert.equal(describeError(error).split(': ').length, 8);
  });

  it('describes whatever was thrown', () => {
    assert.equal(describeError('text'), 'text');
    assert.equal(describeError(Object.create(null)), 'a value without a text form');
    assert.equal(describeError(new TypeError('')), 'TypeError');
  });
});
