import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '@heddle/common';
import { canHoldSockets } from './bind-socket.js';
import { ListeningSockets } from './listening-sockets.js';
import { SupervisedProcess } from './supervised-process.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-held-'));
const started: { readonly program: SupervisedProcess; readonly sockets: ListeningSockets }[] = [];
after(async () => {
  for (const { program, sockets } of started) {
    await program.stop(1_000);
    sockets.close();
  }
  rmSync(folder, { recursive: true });
});
const skip = canHoldSockets() ? false : 'this Node cannot hold sockets for another process';

describe('ListeningSockets', { skip }, () => {
  it('lets a connection wait while its program is started again', async () => {
    const { program, port, started: isUp } = await supervise();
    const first = await ask(port);
    process.kill(program.pid as number, 'SIGKILL');
    await isUp.gone();
    const second = await ask(port);
    assert.notEqual(second, first);
    assert.match(second, /^\d+$/);
  });

  it('replaces a program without a gap: the old one ends when the new one is ready', async () => {
    const { program, port } = await supervise();
    const before = program.pid;
    let stop = false;
    const answers: string[] = [];
    const load = (async () => {
      while (!stop) answers.push(await ask(port));
    })();
    for (let turn = 0; turn < 3; turn++) assert.equal(await program.replace(10_000, 1_000), undefined);
    stop = true;
    await load;
    assert.notEqual(program.pid, before);
    assert.deepEqual(
      answers.filter((answer) => !/^\d+$/.test(answer)),
      [],
    );
    // The old one may take a few more while it ends.
    const last = [];
    while (last.at(-1) !== String(program.pid) && last.length < 1_000) last.push(await ask(port));
    assert.equal(last.at(-1), String(program.pid));
  });

  it('tells a program that is replaced so, and not one that is stopped', async () => {
    const { program, lines, heard } = await supervise();
    assert.equal(await program.replace(10_000, 10_000), undefined);
    await program.stop(10_000);
    const said = (): readonly string[] => lines.filter((line) => line.startsWith('is replaced'));
    // What a process said last may be read after its end.
    await heard(() => said().length === 2);
    assert.deepEqual([...said()].sort(), ['is replaced: false', 'is replaced: true']);
  });

  it('keeps the running program when its replacement does not become ready', async () => {
    const { program, port } = await supervise();
    const before = program.pid;
    writeFileSync(join(folder, 'broken'), '');
    try {
      assert.match((await program.replace(10_000, 1_000)) ?? '', /the new process ended: exit code 7/);
    } finally {
      rmSync(join(folder, 'broken'));
    }
    assert.equal(program.pid, before);
    assert.equal(await ask(port), String(before));
  });

  it('refuses connections again once its program gave the address up', async () => {
    const { port } = await supervise();
    assert.match(await ask(port, 'unlisten'), /^\d+$/);
    await assert.rejects(async () => {
      // The child closes its own copy first; ours follows with its message.
      for (let turn = 0; turn < 200; turn++) await ask(port);
    }, /ECONNREFUSED|ECONNRESET/);
  });

  it('says why an address cannot be had', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const { lines } = await supervise(port);
    assert.equal(lines.at(-1), 'EADDRINUSE');
    other.close();
  });
});

/** A program of three lines that asks for a socket and tells its process id to everybody. */
const PROGRAM = `
import net from 'node:net';
import { existsSync } from 'node:fs';
import { supervisorOf } from ${JSON.stringify(new URL('./supervisor-link.js', import.meta.url).href)};
if (existsSync(${JSON.stringify(join(folder, 'broken'))})) process.exit(7);
const supervisor = supervisorOf(process, process.env);
const held = await supervisor.sockets.listen('127.0.0.1', Number(process.argv[2]), false);
if (!held.ok) {
  process.send({ test: held.reason });
} else {
  const server = net.createServer((socket) => {
    socket.once('data', (data) => {
      socket.end(String(process.pid));
      if (String(data) !== 'unlisten') return;
      server.close();
      supervisor.sockets.unlisten('127.0.0.1', held.port);
    });
    socket.on('error', () => {});
  });
  server.listen(held.handle, () => {
    process.send({ test: held.port });
    supervisor.ready();
  });
  process.on('SIGTERM', () => setImmediate(() => {
    const said = () => server.close(() => process.exit(0));
    process.send({ test: 'is replaced: ' + supervisor.isReplaced }, said);
  }));
}
`;

async function supervise(port = 0) {
  const file = join(folder, `program-${started.length}.mjs`);
  writeFileSync(file, PROGRAM);
  const sockets = new ListeningSockets();
  const lines: string[] = [];
  let tell: () => void = () => undefined;
  let crashed: () => void = () => undefined;
  const heard = async (isEnough: () => boolean): Promise<void> => {
    while (!isEnough()) await new Promise<void>((resolve) => (tell = resolve));
  };
  const gone = new Promise<void>((resolve) => (crashed = resolve));
  const serve = sockets.serve.bind(sockets);
  sockets.serve = (child, onReady) => {
    serve(child, onReady);
    child.on('message', (message: { readonly test?: string | number }) => {
      if (message.test === undefined) return;
      lines.push(String(message.test));
      tell();
    });
  };
  // A program that is started again wants the port that it had.
  const args = [file, String(port)];
  const program = new SupervisedProcess({
    name: 'program',
    command: process.execPath,
    args,
    workingDirectory: fileURLToPath(new URL('.', import.meta.url)),
    environment: process.env,
    clock: systemClock,
    random: systemRandom,
    sockets,
    onStart: () => undefined,
    onCrash: () => crashed(),
  });
  started.push({ program, sockets });
  program.start();
  await heard(() => lines.length > 0);
  const bound = Number(lines[0]);
  args[1] = String(bound);
  return { program, port: bound, lines, heard, started: { gone: () => gone } };
}

function ask(port: number, text = 'who'): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.once('error', reject);
    socket.once('close', () => resolve(answer));
  });
}
