import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { isIPv6 } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { originalDestinations, parseSocketAddress } from './original-destination.js';

/** In a namespace where every connection to port 80 is redirected: says where each of three was going. */
const PROGRAM = `
const net = require('node:net');
const [, module, ...calls] = process.argv;
import(module).then(async ({ originalDestinations }) => {
  const { find, reason } = originalDestinations();
  if (find === undefined) throw new Error(reason);
  const server = net.createServer((socket) => socket.end(JSON.stringify(find(socket))));
  await new Promise((done) => server.listen(15001, '::', done));
  for (const call of calls) {
    const [host, port] = call.split(' ');
    const text = await new Promise((done, fail) => {
      net.connect(Number(port), host).on('data', (data) => done(String(data))).on('error', fail);
    });
    console.log(text);
  }
  process.exit(0);
}).catch((error) => { console.error(error); process.exit(1); });
`;

describe('original destinations', () => {
  it('are read from the kernel’s form of an address', () => {
    const v4 = Buffer.from('0200005 0c633640700000000000000000'.replace(' ', ''), 'hex');
    assert.deepEqual(parseSocketAddress(v4, false), { host: '198.51.100.7', port: 80 });
    const v6 = Buffer.alloc(28);
    v6.writeUInt16BE(443, 2);
    v6.write('20010db8000000000001000000000007', 8, 'hex');
    assert.deepEqual(parseSocketAddress(v6, true), { host: '2001:db8::1:0:0:7', port: 443 });
  });

  it('have the shortest form of an IPv6 address, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (octets) => {
        const bytes = Buffer.alloc(28);
        bytes.set(octets, 8);
        const { host } = parseSocketAddress(bytes, true);
        assert.ok(isIPv6(host), host);
        // The URL parser writes addresses as RFC 5952 asks.
        assert.equal(`[${host}]`, new URL(`http://[${host}]/`).hostname);
      }),
    );
  });

  it(
    'are found for redirected connections, and are the own address of others',
    { skip: whyNot() ?? false },
    () => {
      const script = [
        'set -e',
        'ip link set lo up',
        'ip link add pod0 type veth peer name far0 && ip link set pod0 up && ip link set far0 up',
        'ip addr add 10.9.0.1/24 dev pod0 && ip -6 addr add fd09::1/64 dev pod0 nodad',
        'ip route add default dev pod0 && ip -6 route add default dev pod0',
        'for tables in iptables ip6tables; do',
        '  $tables -t nat -A OUTPUT -p tcp --dport 80 -j REDIRECT --to-ports 15001',
        'done',
        'exec "$0" -e "$1" "$2" "198.51.100.7 80" "2001:db8::7 80" "127.0.0.1 15001"',
      ].join('\n');
      const module = new URL('./original-destination.js', import.meta.url).href;
      const run = spawnSync('unshare', ['-n', 'bash', '-c', script, process.execPath, PROGRAM, module], {
        encoding: 'utf8',
        timeout: 30_000,
      });
      assert.equal(run.status, 0, run.stderr);
      assert.deepEqual(
        run.stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as unknown),
        [
          { host: '198.51.100.7', port: 80 },
          { host: '2001:db8::7', port: 80 },
          { host: '127.0.0.1', port: 15_001 },
        ],
      );
    },
  );
});

function whyNot(): string | undefined {
  const found = originalDestinations();
  if ('reason' in found) return found.reason;
  if (process.getuid?.() !== 0) return 'needs root to make a network namespace';
  const script = 'ip link set lo up && iptables -t nat -S && ip6tables -t nat -S';
  const run = spawnSync('unshare', ['-n', 'bash', '-c', script], { encoding: 'utf8' });
  return run.status === 0
    ? undefined
    : `cannot be tried here: ${(run.error?.message ?? run.stderr).trim().split('\n')[0]}`;
}
