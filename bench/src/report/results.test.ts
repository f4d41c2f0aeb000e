import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { machineFacts } from '../machine/machine-facts.js';
import { type BenchResults, writeResults } from './results.js';

describe('writeResults', () => {
  it('writes what was measured, on what, in two dated files of one name', () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'heddle-bench-test-'));
    try {
      const written = results();
      const name = writeResults(folder, written, 'envoy');
      assert.equal(name, '2026-03-04-0506');
      assert.deepEqual(JSON.parse(readFileSync(path.join(folder, `${name}.json`), 'utf8')), written);
      const markdown = readFileSync(path.join(folder, `${name}.md`), 'utf8');
      for (const text of [
        '# Benchmark of 2026-03-04',
        '- envoy: 1.40.0, one worker',
        '- nginx: not measured (not found)',
        '## title: 1 KB',
        '| heddle-proxy | 20.0 | 0.40 |',
        'Direct connection p50/p99 µs per round: 100/300.',
      ]) {
        assert.ok(markdown.includes(text), `${text} is missing in:\n${markdown}`);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says of the machine what a reader needs, and not whose it is', () => {
    assert.deepEqual(Object.keys(machineFacts()), [
      'cpuModel',
      'cores',
      'memoryGiB',
      'kernel',
      'nodeVersion',
      'commit',
      'loadAverage',
    ]);
  });
});

function results(): BenchResults {
  return {
    date: '2026-03-04T05:06:07.000Z',
    machine: machineFacts(),
    cores: 'nothing is pinned',
    options: { rounds: 1, seconds: 4 },
    subjects: [
      { name: 'heddle-proxy', version: '0.1.0 on Node v20.20.2' },
      { name: 'envoy', version: '1.40.0, one worker' },
    ],
    missing: [{ name: 'nginx', missing: 'not found' }],
    results: [
      {
        scenario: 'http1',
        title: 'title',
        variant: '1 KB',
        backend: 'nginx',
        direct: [{ p50Us: 100, p99Us: 300 }],
        subjects: [
          { name: 'heddle-proxy', rounds: [{ cpuUsPerRequest: 20 }] },
          { name: 'envoy', rounds: [{ cpuUsPerRequest: 50 }] },
        ],
        failures: [],
        worstTickMs: 3,
      },
    ],
  };
}
