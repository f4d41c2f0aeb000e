import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'heddle-proxy-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running = [];
});

interface Run {
  readonly child: ChildProcess;
  readonly printed: { out: string; err: string };
  readonly exited: Promise<number | null>;
  /** Resolves when standard error has this text. */
  until(text: string): Promise<void>;
}

function run(...args: string[]): Run {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  const printed = { out: '', err: '' };
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    printed.err += text;
    for (const check of waiting) check();
  });
  const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
  return {
    child,
    printed,
    exited,
    until: (text) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (printed.err.includes(text)) resolve();
        };
        waiting.add(check);
        check();
        void exited.then(() => reject(new Error(`ended without "${text}": ${printed.err}`)));
      }),
  };
}

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function forwarding(backendPort: number): string {
  return `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
static_resources:
  listeners:
    - name: main
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: tcp
              typed_config:
                '@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: tcp
                cluster: backend
  clusters:
    - name: backend
      load_assignment:
        cluster_name: backend
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${backendPort} } } }
`;
}

describe('heddle-proxy', () => {
  it('checks a file and says OK, or names its problems and ends with 1', async () => {
    const good = run('-c', write('good.yaml', forwarding(1)), '--mode', 'validate');
    assert.equal(await good.exited, 0);
    assert.match(good.printed.out, /^configuration '.*good\.yaml' OK$/m);
    const bad = run('-c', write('bad.yaml', 'admin: 1\nnodee: {}\n'), '--mode', 'validate');
    assert.equal(await bad.exited, 1);
    assert.match(bad.printed.err, /bad\.yaml:1: admin: /);
    assert.match(bad.printed.err, /bad\.yaml:2: nodee: unknown field .*did you mean node/);
    assert.equal(bad.printed.out, '');
  });

  it('ends with 64 where the command line is wrong, and prints help and version', async () => {
    const wrong = run('--mode', 'x');
    assert.equal(await wrong.exited, 64);
    assert.match(wrong.printed.err, /-c FILE is missing/);
    const help = run('--help');
    assert.equal(await help.exited, 0);
    assert.match(help.printed.out, /Usage: heddle-proxy -c FILE/);
    const version = run('--version');
    assert.equal(await version.exited, 0);
    assert.match(version.printed.out, /^heddle-proxy \d+\.\d+\.\d+ /);
  });

  it('says where it listens when it is ready, and ends with 0 on SIGTERM', async () => {
    const addressFile = join(folder, 'admin.txt');
    const proxy = run('-c', write('serve.yaml', forwarding(1)), '--admin-address-path', addressFile);
    await proxy.until('"message":"ready"');
    const line = proxy.printed.err.split('\n').find((one) => one.includes('"message":"ready"')) ?? '{}';
    const ready = JSON.parse(line) as { listeners: string[]; admin: string; state: string };
    assert.match(ready.listeners[0] ?? '', /^main 127\.0\.0\.1:\d+$/);
    assert.equal(ready.state, 'LIVE');
    assert.equal(readFileSync(addressFile, 'utf8'), ready.admin);
    proxy.child.kill('SIGTERM');
    assert.equal(await proxy.exited, 0);
  });

  it('waits for what is in flight on the first signal, and for nothing on the second', async () => {
    const backend = createServer();
    backend.listen(0, '127.0.0.1');
    await once(backend, 'listening');
    const connected = once(backend, 'connection');
    const proxy = run('-c', write('drain.yaml', forwarding((backend.address() as AddressInfo).port)));
    await proxy.until('"message":"ready"');
    const port = Number(/main 127\.0\.0\.1:(\d+)/.exec(proxy.printed.err)?.[1]);
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await connected;
    proxy.child.kill('SIGTERM');
    await proxy.until('"message":"draining"');
    assert.equal(proxy.child.exitCode, null);
    proxy.child.kill('SIGTERM');
    assert.equal(await proxy.exited, 0);
    assert.match(proxy.printed.err, /"message":"ending now"/);
    socket.destroy();
    backend.close();
    backend.closeAllConnections();
  });
});
