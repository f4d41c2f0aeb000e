import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { PROXY_NODE_FLAGS } from '@heddle/supervisor';

describe('heddle-proxy as a program', () => {
  it('starts itself with the flags that everybody else starts it with', () => {
    const [first] = readFileSync(new URL('./main.js', import.meta.url), 'utf8').split('\n');
    assert.equal(first, `#!/usr/bin/env -S node ${PROXY_NODE_FLAGS.join(' ')}`);
  });

  it('has flags that this Node knows, and that bound its young generation', () => {
    const script =
      'let a; for (let i = 0; i < 3e6; i++) a = [i, a && a.length > 1 ? null : a];' +
      'console.log(require("v8").getHeapSpaceStatistics().find((s) => s.space_name === "new_space").space_size)';
    const bytes = Number(
      execFileSync(process.execPath, [...PROXY_NODE_FLAGS, '-e', script], { encoding: 'utf8' }),
    );
    assert.ok(bytes > 0 && bytes <= 3 * 4 * 1024 * 1024, `${bytes} bytes`);
  });
});
