import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { canHoldSockets } from '@heddle/supervisor';
import { FaultyUpstream } from '../faults/faulty-upstream.js';
import { ProxyGround } from '../faults/proxy-ground.js';
import { SteadyCallers } from '../faults/steady-callers.js';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';
import { RunningProgram } from '../support/running-program.js';

const main = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/data-plane')));
const folder = mkdtempSync(join(tmpdir(), 'heddle-supervised-proxy-'));
const upstream = new FaultyUpstream();
const grounds: ProxyGround[] = [];
let upstreamPort = 0;
before(async () => {
  upstreamPort = await upstream.listen();
});
after(async () => {
  await Promise.all(grounds.map((ground) => ground.stop()));
  await upstream.close();
  rmSync(folder, { recursive: true });
});
const skip = canHoldSockets() ? false : 'this Node cannot hold sockets for another process';

describe('heddle-proxy --supervise', { skip }, () => {
  it('is replaced on SIGHUP, ten times under load, without a failed request', async () => {
    const { program, port, adminPort } = await start();
    const load = new SteadyCallers({ port, callers: 16, pauseMs: 0 });
    for (let turn = 1; turn <= 10; turn++) {
      program.kill('SIGHUP');
      const isReplaced = (): boolean => (program.output.match(/"proxy replaced"/g)?.length ?? 0) === turn;
      await eventually(isReplaced, () => `replacement ${turn}: ${program.output}`);
    }
    await load.stop();
    assert.deepEqual([...load.failures], []);
    assert.ok(load.requests > 100, `only ${load.requests} requests were answered`);
    // One that is about to end may still take a connection of the admin address, and end with it.
    await eventually(
      async () => (await httpCall(adminPort, '/ready')).status === 200,
      () => program.output,
    );
    assert.equal(program.exit, undefined);
  });

  it('refuses no connection while a proxy that was killed is started again', async () => {
    const { program, port } = await start();
    const pid = Number(/"proxy started".*?"pid":(\d+)/.exec(program.output)?.[1]);
    assert.ok(pid > 0, program.output);
    process.kill(pid, 'SIGKILL');
    // Each has a connection of its own: they wait in the socket's queue for the next process.
    const answers = await Promise.all(Array.from({ length: 50 }, () => httpCall(port, '/')));
    assert.deepEqual(
      answers.filter(({ status }) => status !== 200).map(({ body }) => body),
      [],
    );
  });

  it('ends like the proxy does when the bootstrap is bad', async () => {
    const file = join(folder, 'bad.yaml');
    writeFileSync(file, 'static_resources: 7\n');
    const program = new RunningProgram(process.execPath, [main, '--supervise', '-c', file]);
    assert.equal((await program.ended()).code, 1);
    assert.match(program.output, /static_resources/);
  });

  it('takes its proxy along when it is killed', async () => {
    const { program, port } = await start();
    program.kill('SIGKILL');
    await program.ended();
    await eventually(
      async () => (await httpCall(port, '/')).status === 0,
      () => 'the proxy goes on',
    );
  });
});

async function start(): Promise<ProxyGround> {
  const ground = await ProxyGround.start({ upstreamPort, args: ['--supervise', '--drain-time-s', '5'] });
  grounds.push(ground);
  return ground;
}
