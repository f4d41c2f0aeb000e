import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { findHttpProxy } from '../subjects/http-proxy.js';
import { type Subject, isFound } from '../subjects/subject.js';
import { runScenario } from './run-scenario.js';
import type { Scenario } from './scenario.js';

const skip = existsSync('/proc/self/smaps_rollup') ? false : 'this system has no /proc/PID/smaps_rollup';

const scenario: Scenario = {
  name: 'tiny',
  title: 'a tiny load',
  variants: [
    {
      name: '1 KB',
      kind: 'load',
      shape: { virtualHosts: 2, routesPerHost: 2 },
      bodySize: '1k',
      targets: 'all',
      connections: 2,
      latency: true,
    },
  ],
};

describe('runScenario', { skip }, () => {
  it('measures a real proxy in every round', async () => {
    const proxy = findHttpProxy(process.execPath);
    assert.ok(isFound(proxy));
    const [result] = await run([proxy], 2);
    assert.deepEqual(result?.failures, []);
    assert.equal(result?.direct.length, 2);
    const rounds = result?.subjects[0]?.rounds ?? [];
    assert.equal(rounds.length, 2);
    for (const round of rounds) {
      assert.ok((round?.cpuUsPerRequest ?? 0) > 1, 'a request costs more than a microsecond');
      assert.ok((round?.requestsPerSecond ?? 0) > 10);
      assert.ok((round?.rssMb ?? 0) > 10);
      assert.equal(typeof round?.addedP50Us, 'number');
    }
  });

  it('believes no subject whose bodies are short', async () => {
    const [result] = await run([answering('short', 'x'.repeat(1_000))], 1);
    assert.match(result?.failures.join() ?? '', /short, round 1: .*1000 body bytes instead of 1024/);
    assert.deepEqual(result?.subjects[0]?.rounds, [undefined]);
  });

  it('believes no subject that writes no access log', async () => {
    const [result] = await run([answering('silent', 'x'.repeat(1_024))], 1);
    assert.match(result?.failures.join() ?? '', /its access log has 0 lines/);
  });

  it('reports a subject that does not start, and goes on', async () => {
    const broken: Subject = {
      name: 'broken',
      version: '0',
      prepare: () => ({
        command: [process.execPath, '-e', 'console.error("no such option"); process.exit(1)'],
      }),
    };
    const [result] = await run([broken], 2);
    assert.equal(result?.failures.length, 2);
    assert.match(result?.failures[0] ?? '', /ended while starting: no such option/);
  });
});

function run(subjects: readonly Subject[], rounds: number) {
  return runScenario(scenario, subjects, {
    rounds,
    profile: false,
    seconds: 0.2,
    warmUpSeconds: 0.1,
    ratePerSecond: 200,
    cores: { proxyCore: undefined, loadCore: undefined, remark: 'nothing is pinned' },
    progress: () => {},
  });
}

/** A server that answers everything itself with one body. */
function answering(name: string, body: string): Subject {
  return {
    name,
    version: '0',
    prepare(setup) {
      const file = path.join(setup.folder, 'server.mjs');
      writeFileSync(
        file,
        `import http from 'node:http';
http.createServer((q, r) => r.writeHead(200, { 'content-length': ${body.length} }).end('${body}'))
  .listen(${setup.listenPort}, '127.0.0.1');`,
      );
      return { command: [process.execPath, file] };
    },
  };
}
