import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { parseBenchCommand } from './options.js';

describe('parseBenchCommand', () => {
  it('compares everything, saved, by default', () => {
    const command = parseBenchCommand([]);
    assert.equal(command.kind, 'compare');
    assert.ok(command.kind === 'compare');
    assert.equal(command.options.rounds, 5);
    assert.equal(command.options.save, true);
    assert.deepEqual(command.options.nodes, [process.execPath]);
    assert.deepEqual(command.options.peers, ['envoy', 'nginx', 'haproxy', 'http-proxy', 'node-tls']);
  });

  it('saves nothing of a quick run', () => {
    const command = parseBenchCommand(['--quick', '--only', 'http1', '--peers', 'nginx,envoy']);
    assert.ok(command.kind === 'compare');
    assert.equal(command.options.save, false);
    assert.deepEqual(command.options.only, ['http1']);
    assert.deepEqual(command.options.peers, ['envoy', 'nginx']);
  });

  it('has one thread serve unless told otherwise', () => {
    const concurrencyOf = (args: readonly string[]): number => {
      const command = parseBenchCommand(args);
      assert.ok(command.kind === 'compare');
      return command.options.concurrency;
    };
    assert.deepEqual([concurrencyOf([]), concurrencyOf(['--concurrency', '2'])], [1, 2]);
    assert.throws(() => concurrencyOf(['--concurrency', '1.5']), /whole number/);
  });

  it('takes several Nodes', () => {
    const command = parseBenchCommand(['--node', 'a', '--node', 'b', '--peers', 'none']);
    assert.ok(command.kind === 'compare');
    assert.deepEqual(command.options.nodes, ['a', 'b']);
    assert.deepEqual(command.options.peers, []);
  });

  it('names what it does not know', () => {
    assert.throws(() => parseBenchCommand(['--only', 'http9']), /unknown name http9; known: http1/);
    assert.throws(() => parseBenchCommand(['macro']), /unknown command "macro"/);
    assert.throws(() => parseBenchCommand(['--rounds', 'many']), /--rounds must be a positive number/);
    assert.throws(() => parseBenchCommand(['--rounds', '1.5']), /whole number/);
    assert.throws(() => parseBenchCommand(['--speed']), /--speed/);
  });

  it('reads the filter of the micro-benchmarks', () => {
    assert.deepEqual(parseBenchCommand(['micro', 'matcher']), { kind: 'micro', filter: 'matcher' });
    assert.deepEqual(parseBenchCommand(['micro']), { kind: 'micro', filter: undefined });
  });
});
