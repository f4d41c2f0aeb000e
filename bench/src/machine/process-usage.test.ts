import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { parseSmapsRollup, processTreeCpuNs, processTreeMemory } from './process-usage.js';

const skip = existsSync('/proc/self/smaps_rollup') ? false : 'this system has no /proc/PID/smaps_rollup';

describe('parseSmapsRollup', () => {
  it('reads its figures', () => {
    const text =
      'Rss:   10 kB\nPss:    7 kB\nPss_Dirty:  1 kB\nPrivate_Clean:  3 kB\nPrivate_Dirty:  2 kB\nAnonymous: 4 kB\n';
    assert.deepEqual(parseSmapsRollup(text), {
      rssBytes: 10_240,
      pssBytes: 7_168,
      privateDirtyBytes: 2_048,
      anonymousBytes: 4_096,
    });
  });

  it('refuses a text that lacks one', () => {
    assert.throws(() => parseSmapsRollup('Rss: 10 kB\n'), /no Pss/);
  });
});

describe('processTreeCpuNs', { skip }, () => {
  it('counts what this process burns', () => {
    const before = processTreeCpuNs(process.pid);
    const usage = process.cpuUsage();
    let spent = usage;
    do spent = process.cpuUsage(usage);
    while (spent.user + spent.system < 30_000);
    const burntNs = processTreeCpuNs(process.pid) - before;
    assert.ok(burntNs >= 20_000_000, `${burntNs} ns for at least 30 ms`);
  });

  it('counts children, who are part of the tree', async () => {
    const before = processTreeMemory(process.pid).rssBytes;
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume(); process.stdout.write("up")']);
    try {
      await once(child.stdout, 'data');
      const childCpuNs = processTreeCpuNs(child.pid as number);
      assert.ok(childCpuNs > 0);
      assert.ok(processTreeCpuNs(process.pid) > childCpuNs);
      assert.ok(processTreeMemory(process.pid).rssBytes > before);
    } finally {
      child.stdin.end();
      await once(child, 'exit');
    }
  });
});
