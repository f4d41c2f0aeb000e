import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { EgressRelay } from './egress-relay.js';
import { parseListeningPorts } from './listening-ports.js';
import { FAMILIES, PodAddressPool, pairsOf } from './pod-addresses.js';
import { egressRules, loopbackRules } from './setup-plan.js';

describe('the addresses of pods', () => {
  it('are used again only when there is no other', () => {
    const pool = new PodAddressPool(FAMILIES);
    const first = pool.take();
    assert.deepEqual(first, {
      number: 64,
      addresses: {
        v4: { application: '198.18.0.64', sidecar: '198.19.0.64' },
        v6: { application: 'fd68:6564:646c:1::40', sidecar: 'fd68:6564:646c:2::40' },
      },
    });
    pool.release(first.number);
    const next = (): string => pool.take().addresses.v4.application;
    assert.equal(next(), '198.18.0.65');
    let last = '';
    for (let taken = 66; taken <= 65_500; taken++) last = next();
    assert.equal(last, '198.18.255.220');
    assert.equal(next(), '198.18.0.64');
    assert.throws(() => pool.take(), /more than \d+ pods/);
  });

  it('are of one family where the machine has one', () => {
    const { addresses } = new PodAddressPool(['v4']).take();
    assert.deepEqual(pairsOf(addresses), [['v4', { application: '198.18.0.64', sidecar: '198.19.0.64' }]]);
  });
});

describe('the listening ports of a namespace', () => {
  it('are read from what the kernel shows, of both families', () => {
    const table = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0',
      '   1: 0100007F:1F91 0100007F:A0A0 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0',
      '   2: 00000000000000000000000001000000:3A9D 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 3',
      '',
    ].join('\n');
    assert.deepEqual(parseListeningPorts(table), [8080, 15_005]);
    assert.deepEqual(parseListeningPorts(''), []);
  });
});

describe('rules between pods and the machine', () => {
  for (const variant of ['nftables', 'iptables-nft', 'iptables-legacy']) {
    const skip = whyNot(variant) ?? false;
    it(`are taken by the kernel (${variant})`, { skip }, () => {
      for (const { program, args, input } of [
        egressRules(variant, 'v4', 15_099),
        egressRules(variant, 'v6', 15_099),
        loopbackRules(variant, 'v4', '198.19.0.64'),
        loopbackRules(variant, 'v6', 'fd68:6564:646c:2::40'),
      ]) {
        const run = spawnSync('unshare', ['-n', program, ...args], {
          encoding: 'utf8',
          input,
          timeout: 20_000,
        });
        assert.equal(run.status, 0, `${input}\n${run.stderr}`);
      }
    });
  }
});

describe('the relay between pods and the machine', () => {
  it('carries bytes and ends both ways, each way by itself', async (t) => {
    const server = await listening(t, (socket) => {
      socket.on('data', (bytes) => socket.write(String(bytes).toUpperCase()));
      socket.on('end', () => socket.end('!'));
    });
    const inside = createServer();
    const handle = await handleOf(t, inside);
    const relay = new EgressRelay();
    t.after(() => relay.close());
    relay.forward(handle.handle, '127.0.0.1', server);
    let answer = '';
    const client = connect({ host: '127.0.0.1', port: handle.port, allowHalfOpen: true });
    client.on('data', (bytes) => (answer += String(bytes)));
    client.end('hello');
    await new Promise((resolve) => client.once('end', resolve));
    assert.equal(answer, 'HELLO!');
  });

  it('closes a connection that was not redirected to it, which would go round in circles', async (t) => {
    const handle = await handleOf(t, createServer());
    const relay = new EgressRelay();
    t.after(() => relay.close());
    relay.forwardAnywhere(handle.handle);
    const client = connect(handle.port, '127.0.0.1');
    client.on('error', () => undefined).resume();
    await new Promise((resolve) => client.once('close', resolve));
  });
});

async function listening(
  t: TestContext,
  onSocket: Parameters<typeof createServer>[1] & object,
): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, onSocket as never);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A listening socket as the program that sets namespaces up hands it over. */
async function handleOf(
  t: TestContext,
  server: Server,
): Promise<{ readonly handle: object; readonly port: number }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { _handle } = server as Server & { readonly _handle: object };
  return { handle: _handle, port: (server.address() as AddressInfo).port };
}

function whyNot(variant: string): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has these rules';
  if (process.getuid?.() !== 0) return 'needs root to make a network namespace';
  const probe = variant === 'nftables' ? ['nft', 'list', 'ruleset'] : [variant, '-t', 'nat', '-S'];
  const run = spawnSync('unshare', ['-n', ...probe], { encoding: 'utf8' });
  return run.status === 0
    ? undefined
    : `cannot be tried here: ${(run.error?.message ?? run.stderr).trim().split('\n')[0]}`;
}
