import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, get, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PlaneOfOneRoute } from '../faults/plane-of-one-route.js';
import { ProxyGround } from '../faults/proxy-ground.js';
import { SteadyCallers } from '../faults/steady-callers.js';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';

const TWO_WORKERS = ['--concurrency', '2', '--drain-time-s', '5'];

/** An upstream that answers at once, but `/held` only when it is told to. */
const held: ServerResponse[] = [];
const upstream = createServer((request, response) => {
  if (request.url?.startsWith('/held') === true) held.push(response);
  else response.end('ok\n');
});
let upstreamPort = 0;
const folder = mkdtempSync(join(tmpdir(), 'heddle-workers-'));
before(async () => {
  await new Promise<void>((resolve) => upstream.listen(0, '0.0.0.0', resolve));
  upstreamPort = (upstream.address() as AddressInfo).port;
});
after(() => {
  upstream.close();
  upstream.closeAllConnections();
  rmSync(folder, { recursive: true });
});

describe('heddle-proxy --concurrency 2', () => {
  let proxy: ProxyGround;
  before(async () => {
    const cluster = { circuit_breakers: { thresholds: [{ max_requests: 7, max_connections: 64 }] } };
    proxy = await ProxyGround.start({ upstreamPort, args: TWO_WORKERS, cluster });
  });
  after(() => proxy.stop());

  it('serves in both workers, counts every request once, and logs each', async () => {
    const answers = await together(proxy.port, 7, 500);
    assert.deepEqual(answers, new Map([['200', 500]]));
    assert.equal(await proxy.counter('http.http.downstream_rq_2xx'), 500);
    assert.equal(await proxy.counter('cluster.upstream.upstream_rq_total'), 500);
    assert.equal(await proxy.counter('server.concurrency'), 2);
    assert.equal(await proxy.counter('cluster.upstream.membership_total'), 1);
    const { body } = await httpCall(proxy.adminPort, '/clusters');
    assert.match(body, new RegExp(`upstream::127.0.0.1:${upstreamPort}::rq_total::500\n`));
    await eventually(
      () => readFileSync(join(proxy.folder, 'access.log'), 'utf8').split('\n').length === 501,
      () => 'not every request was logged',
    );
  });

  it('lets as many requests through as the breaker of the cluster allows, in all workers together', async () => {
    const agent = new Agent({ keepAlive: true });
    const statuses: Promise<number>[] = [];
    // One connection for each, so that both workers have some.
    for (let i = 0; i < 30; i++) statuses.push(statusOf(proxy.port, '/held', agent));
    const refused = async (): Promise<number> => proxy.counter('cluster.upstream.upstream_rq_503');
    await eventually(
      async () => held.length === 7 && (await refused()) === 23,
      () => `${held.length} wait at the upstream`,
    );
    assert.equal(await proxy.counter('cluster.upstream.circuit_breakers.default.rq_open'), 1);
    for (const response of held.splice(0)) response.end('ok\n');
    const all = await Promise.all(statuses);
    assert.deepEqual(
      [all.filter((one) => one === 200).length, all.filter((one) => one === 503).length],
      [7, 23],
    );
    assert.equal(await proxy.counter('cluster.upstream.circuit_breakers.default.rq_open'), 0);
    agent.destroy();
  });

  it('drains them all: what is in flight is answered before it ends', async () => {
    const agent = new Agent({ keepAlive: true });
    const statuses = Array.from({ length: 6 }, () => statusOf(proxy.port, '/held', agent));
    await eventually(
      () => held.length === 6,
      () => 'they do not arrive',
    );
    proxy.program.kill('SIGTERM');
    await eventually(
      () => proxy.program.output.includes('draining'),
      () => proxy.program.output,
    );
    for (const response of held.splice(0)) response.end('ok\n');
    assert.deepEqual(await Promise.all(statuses), [200, 200, 200, 200, 200, 200]);
    assert.equal((await proxy.program.ended()).code, 0);
    agent.destroy();
  });
});

describe('heddle-proxy --concurrency 2 under a control plane', () => {
  it('applies every push in all workers without a failed request, and says once what is refused', async () => {
    const plane = await PlaneOfOneRoute.start(upstreamPort);
    const proxy = await plane.startProxy(TWO_WORKERS);
    try {
      const load = new SteadyCallers({ port: proxy.port, callers: 8, pauseMs: 0 });
      for (let turn = 0; turn < 20; turn++) await plane.pushEndpoints(turn);
      assert.match(await plane.pushBroken(), /a.*lb_policy|lb_policy/i);
      await load.more(50);
      await load.stop();
      assert.deepEqual([...load.failures], []);
      assert.equal(await proxy.counter('cluster_manager.cds.update_rejected'), 1);
    } finally {
      await proxy.stop();
      await plane.close();
    }
  });
});

describe('heddle-proxy --concurrency 2 --supervise', () => {
  it('ends when a worker crashes, and is started again without a refused connection', async () => {
    const trigger = join(folder, 'crash');
    const program = `
      import { isMainThread, threadId } from 'node:worker_threads';
      import { existsSync, rmSync } from 'node:fs';
      if (!isMainThread) setInterval(() => {
        if (!existsSync(${JSON.stringify(trigger)})) return;
        rmSync(${JSON.stringify(trigger)}, { force: true });
        throw new Error('a bug of ours');
      }, 20);`;
    const proxy = await ProxyGround.start({
      upstreamPort,
      args: ['--supervise', ...TWO_WORKERS],
      environment: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}` },
    });
    try {
      writeFileSync(trigger, '');
      const ended = (): boolean => proxy.program.output.includes('"proxy ended"');
      await eventually(ended, () => proxy.program.output);
      assert.match(proxy.program.output, /a worker thread ended.*a bug of ours/);
      const answers = await together(proxy.port, 20, 40);
      assert.deepEqual(answers, new Map([['200', 40]]));
    } finally {
      await proxy.stop();
    }
  });
});

/** So many requests by so many connections; how many were answered how. */
async function together(port: number, callers: number, requests: number): Promise<Map<string, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: callers });
  const answers = new Map<string, number>();
  let left = requests;
  const ask = async (): Promise<void> => {
    while (left-- > 0) {
      const status = String(await statusOf(port, '/', agent));
      answers.set(status, (answers.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: callers }, ask));
  agent.destroy();
  return answers;
}

function statusOf(port: number, path: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    }).once('error', reject);
  });
}
