import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseHeddledArguments } from './bootstrap.js';

describe('parseHeddledArguments', () => {
  it('fills in the defaults, on loopback, with a token of its own', () => {
    const parsed = parseHeddledArguments(['-f', '/mesh'], {});
    assert.equal(parsed.kind, 'run');
    if (parsed.kind !== 'run') return;
    assert.deepEqual(parsed.config.folders, ['/mesh']);
    assert.equal(parsed.config.xdsAddress, '127.0.0.1:15010');
    assert.equal(parsed.config.apiHost, '127.0.0.1');
    assert.equal(parsed.config.tokenIsGenerated, true);
    assert.ok(parsed.config.token.length >= 32);
  });

  it('takes the token from the environment when no file names one', () => {
    const parsed = parseHeddledArguments(['-f', '/mesh'], { HEDDLE_TOKEN: 'abc' });
    assert.equal(parsed.kind === 'run' ? parsed.config.token : '', 'abc');
  });

  it('names every mistake at once', () => {
    const parsed = parseHeddledArguments(['--api', 'x', '--xds', '1', '--log-level', 'loud'], {});
    assert.equal(parsed.kind, 'error');
    if (parsed.kind !== 'error') return;
    for (const part of ['-f FOLDER', '--api x', '--xds 1', '--log-level loud']) {
      assert.ok(parsed.message.includes(part), part);
    }
  });

  it('refuses an unknown option', () => {
    assert.equal(parseHeddledArguments(['-f', 'x', '--colour'], {}).kind, 'error');
  });
});
