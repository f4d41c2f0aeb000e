import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../support/eventually.js';
import { findGrpcInterop } from '../support/find-grpc-interop.js';
import { freePort } from '../support/free-port.js';
import { GrpcMeshPair } from '../support/grpc-mesh-pair.js';
import { heddleProxy } from '../support/proxy-subjects.js';
import { RunningProgram } from '../support/running-program.js';

/**
 * Every case of grpc-go's client that its server can serve: `pick_first_unary` wants server IDs, which that one does not send. Left out are
 * those for credentials of Google's clouds (`compute_engine_creds`, `service_account_creds`,
 * `jwt_token_creds`, `per_rpc_creds`, `oauth2_auth_token`, `google_default_credentials`, `compute_engine_channel_credentials`), which
 * need an account there.
 */
const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  'orca_per_rpc',
  'orca_oob',
];

/** Load reports are read by a balancer that has to be asked for. */
const LOAD_REPORTS = '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}';

const found = findGrpcInterop();

/** grpc-go on both sides, and between them two sidecars that speak mutual TLS under heddled. */
describe(
  "grpc-go's interoperability cases through two sidecars",
  { skip: 'missing' in found ? found.missing : false },
  () => {
    const pair = new GrpcMeshPair();
    let server: RunningProgram | undefined;

    before(async () => {
      const port = await freePort();
      const path = 'server' in found ? found.server : '';
      const started = new RunningProgram(path, ['-port', String(port)]);
      server = started;
      await eventually(
        () => isOpen(port),
        () => started.output,
      );
      await pair.start(heddleProxy(), heddleProxy(), port);
      await eventually(
        async () => (await run('empty_unary')).code === 0,
        () => pair.output,
      );
      assert.deepEqual(await pair.nacks(), []);
    });

    after(async () => {
      await pair.close();
      await server?.stop();
    });

    async function run(name: string): Promise<{ readonly code: number | null; readonly output: string }> {
      const path = 'client' in found ? found.client : '';
      const client = new RunningProgram(path, [
        ...['-server_host', '127.0.0.1', '-server_port', String(pair.outboundPort), '-test_case', name],
        ...(name.startsWith('orca') ? ['-service_config_json', LOAD_REPORTS] : []),
      ]);
      const { code } = await client.ended();
      return { code, output: client.output };
    }

    for (const name of CASES) {
      it(name, async () => {
        const { code, output } = await run(name);
        assert.equal(code, 0, `${output}\n${pair.output}`);
      });
    }

    it('were all spoken by HTTP/2 over mutual TLS', async () => {
      const lines = await pair.logLines('echo');
      assert.ok(lines.length >= CASES.length);
      for (const { protocol } of lines) assert.equal(protocol, 'HTTP/2');
    });
  },
);

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.end();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
