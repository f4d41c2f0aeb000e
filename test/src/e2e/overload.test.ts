import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { heddleProxy } from '../support/proxy-subjects.js';
import type { RunningProgram } from '../support/running-program.js';

const HELD_CONNECTIONS = 70;
/** Less than what a filter that holds requests may keep of one. */
const HELD_BYTES = 1_000_000;
const MEMORY_BYTES = 64 * 1024 * 1024;

const folder = mkdtempSync(join(tmpdir(), 'heddle-overload-'));
const sockets: Socket[] = [];
let program: RunningProgram | undefined;
after(async () => {
  for (const socket of sockets) socket.destroy();
  await program?.stop();
  rmSync(folder, { recursive: true });
});

describe('a proxy whose memory runs short', () => {
  it('sheds requests with a reason, lives on, and serves again when memory is there', async () => {
    const port = await freePort();
    const adminPort = await freePort();
    const log = join(folder, 'access.log');
    const file = join(folder, 'bootstrap.json');
    writeFileSync(file, JSON.stringify(bootstrap(port, adminPort, log)));
    const proxy = heddleProxy().start(file, join(folder, 'state'));
    program = proxy;
    const status = async (path: string): Promise<number> => (await httpCall(port, path)).status;
    await eventually(
      async () => (await status('/')) === 200,
      () => proxy.output,
    );

    for (let i = 0; i < HELD_CONNECTIONS; i++) sockets.push(holdRequest(port));
    await eventually(
      async () => (await status('/')) === 503,
      () => `nothing is shed\n${proxy.output}`,
    );
    const shed = await httpCall(port, '/shed');
    assert.deepEqual([shed.status, shed.body], [503, 'envoy overloaded']);
    const { body: stats } = await httpCall(adminPort, '/stats');
    assert.match(stats, /^overload\.envoy\.overload_actions\.stop_accepting_requests\.active: 1$/m);
    const memory = Number(/^server\.memory_allocated: (\d+)$/m.exec(stats)?.[1] ?? 0);
    assert.ok(memory < 3 * MEMORY_BYTES, `${memory} bytes`);

    for (const socket of sockets) socket.destroy();
    await eventually(
      async () => (await status('/')) === 200,
      () => `nothing is served\n${proxy.output}`,
      40_000,
    );
    await eventually(
      () => Promise.resolve(/"path":"\/shed".*/.test(readFileSync(log, 'utf8'))),
      () => 'the request is not in the access log',
    );
    const line = readFileSync(log, 'utf8')
      .split('\n')
      .find((text) => text.includes('/shed'));
    const { flags, details } = JSON.parse(line ?? '{}') as Record<string, string>;
    assert.deepEqual([flags, details], ['OM', 'overload']);
    assert.equal(proxy.exit, undefined);
  });
});

/** A request that a fault holds back, with a body that the proxy has to keep meanwhile. */
function holdRequest(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: ${HELD_BYTES + 1}\r\n\r\n`);
  socket.write(Buffer.alloc(HELD_BYTES, 97));
  return socket;
}

function bootstrap(port: number, adminPort: number, log: string): unknown {
  const types = 'type.googleapis.com/envoy.extensions';
  const address = (portValue: number): object => ({
    socket_address: { address: '127.0.0.1', port_value: portValue },
  });
  const fault = {
    '@type': `${types}.filters.http.fault.v3.HTTPFault`,
    delay: { fixed_delay: '600s', percentage: { numerator: 100 } },
    headers: [{ name: ':path', string_match: { exact: '/held' } }],
  };
  const manager = {
    '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'http',
    access_log: [
      {
        name: 'log',
        typed_config: {
          '@type': `${types}.access_loggers.file.v3.FileAccessLog`,
          path: log,
          log_format: {
            json_format: {
              path: '%REQ(:PATH)%',
              flags: '%RESPONSE_FLAGS%',
              details: '%RESPONSE_CODE_DETAILS%',
            },
          },
        },
      },
    ],
    http_filters: [
      { name: 'fault', typed_config: fault },
      { name: 'router', typed_config: { '@type': `${types}.filters.http.router.v3.Router` } },
    ],
    route_config: {
      name: 'r',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
        },
      ],
    },
  };
  return {
    node: { id: 'overload', cluster: 'overload' },
    admin: { address: address(adminPort) },
    overload_manager: {
      refresh_interval: '0.1s',
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.fixed_heap',
          typed_config: {
            '@type': `${types}.resource_monitors.fixed_heap.v3.FixedHeapConfig`,
            max_heap_size_bytes: MEMORY_BYTES,
          },
        },
      ],
      actions: [
        {
          name: 'envoy.overload_actions.stop_accepting_requests',
          triggers: [{ name: 'envoy.resource_monitors.fixed_heap', threshold: { value: 0.95 } }],
        },
      ],
    },
    static_resources: {
      listeners: [
        {
          name: 'http',
          address: address(port),
          filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
        },
      ],
    },
  };
}
