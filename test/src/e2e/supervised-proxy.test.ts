import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { canHoldSockets } from '@heddle/supervisor';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { RunningProgram } from '../support/running-program.js';

const main = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/data-plane')));
const folder = mkdtempSync(join(tmpdir(), 'heddle-supervised-proxy-'));
const programs: RunningProgram[] = [];
after(async () => {
  await Promise.all(programs.map((program) => program.stop()));
  rmSync(folder, { recursive: true });
});
const skip = canHoldSockets() ? false : 'this Node cannot hold sockets for another process';

describe('heddle-proxy --supervise', { skip }, () => {
  it('is replaced on SIGHUP, ten times under load, without a failed request', async () => {
    const { program, port, adminPort, isServing } = await start();
    await isServing();
    const load = new Load(port, 16);
    for (let turn = 1; turn <= 10; turn++) {
      program.kill('SIGHUP');
      const isReplaced = (): boolean => (program.output.match(/"proxy replaced"/g)?.length ?? 0) === turn;
      await eventually(isReplaced, () => `replacement ${turn}: ${program.output}`);
    }
    const { answered, failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(answered > 100, `only ${answered} requests were answered`);
    // One that is about to end may still take a connection of the admin address, and end with it.
    await eventually(
      async () => (await httpCall(adminPort, '/ready')).status === 200,
      () => program.output,
    );
    assert.equal(program.exit, undefined);
  });

  it('refuses no connection while a proxy that was killed is started again', async () => {
    const { program, port, isServing } = await start();
    await isServing();
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
    const program = run(file);
    assert.equal((await program.ended()).code, 1);
    assert.match(program.output, /static_resources/);
  });

  it('takes its proxy along when it is killed', async () => {
    const { program, port, isServing } = await start();
    await isServing();
    program.kill('SIGKILL');
    await program.ended();
    await eventually(
      async () => (await httpCall(port, '/')).status === 0,
      () => 'the proxy goes on',
    );
  });
});

async function start() {
  const [port, adminPort] = [await freePort(), await freePort()];
  const file = join(folder, `${port}.yaml`);
  writeFileSync(file, JSON.stringify(bootstrap(port, adminPort)));
  const program = run(file);
  const isServing = (): Promise<unknown> =>
    eventually(
      async () => (await httpCall(port, '/')).status === 200,
      () => program.output,
    );
  return { program, port, adminPort, isServing };
}

function run(file: string): RunningProgram {
  const program = new RunningProgram(process.execPath, [
    main,
    '--supervise',
    '-c',
    file,
    '--drain-time-s',
    '5',
  ]);
  programs.push(program);
  return program;
}

/** Keep-alive clients that ask one thing after the other. */
class Load {
  readonly #agent: Agent;
  readonly #clients: Promise<void>[];
  readonly failures: string[] = [];
  answered = 0;
  #stopping = false;

  constructor(port: number, clients: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: clients });
    this.#clients = Array.from({ length: clients }, () => this.#run(port));
  }

  async stop(): Promise<{ readonly answered: number; readonly failures: readonly string[] }> {
    this.#stopping = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
    return { answered: this.answered, failures: this.failures };
  }

  async #run(port: number): Promise<void> {
    while (!this.#stopping) {
      const failure = await new Promise<string | undefined>((resolve) => {
        const sent = request({ host: '127.0.0.1', port, agent: this.#agent }, (response) => {
          response.resume();
          response.once('end', () =>
            resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`),
          );
          response.once('error', (error) => resolve(error.message));
        });
        sent.once('error', (error) => resolve(`${error.message}${sent.reusedSocket ? ', reused' : ''}`));
        sent.end();
      });
      if (failure === undefined) this.answered++;
      else this.failures.push(failure);
    }
  }
}

function bootstrap(port: number, adminPort: number): unknown {
  const address = (number: number): unknown => ({
    socket_address: { address: '127.0.0.1', port_value: number },
  });
  const filters = 'type.googleapis.com/envoy.extensions.filters';
  return {
    admin: { address: address(adminPort) },
    static_resources: {
      listeners: [
        {
          name: 'http',
          address: address(port),
          filter_chains: [
            {
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    '@type': `${filters}.network.http_connection_manager.v3.HttpConnectionManager`,
                    stat_prefix: 'http',
                    route_config: {
                      virtual_hosts: [
                        {
                          name: 'any',
                          domains: ['*'],
                          routes: [
                            {
                              match: { prefix: '/' },
                              direct_response: { status: 200, body: { inline_string: 'ok' } },
                            },
                          ],
                        },
                      ],
                    },
                    http_filters: [
                      {
                        name: 'envoy.filters.http.router',
                        typed_config: { '@type': `${filters}.http.router.v3.Router` },
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
    },
  };
}
