import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { parseInterceptionOptions, type InterceptionOptions } from './interception-config.js';
import { formatPlan, interceptionPlan } from './interception-plan.js';

/**
 * What runs in a network namespace: listeners that say which port was reached, then connections, made by a child for
 * each user that calls name. A connection that nobody redirects ends nowhere.
 */
const PROGRAM = `
const net = require('node:net');
const dgram = require('node:dgram');
const { spawn } = require('node:child_process');
const { uid, calls } = JSON.parse(process.argv[1]);

function connect({ to, port, from, udp }) {
  return new Promise((end) => {
    setTimeout(end, 1000, 'nowhere');
    if (!udp) {
      net.connect({ host: to, port, ...(from ? { localAddress: from } : {}) })
        .on('data', (text) => end(String(text))).on('error', () => end('nowhere'));
      return;
    }
    const socket = dgram.createSocket(to.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (text, sender) => end(text + ' as ' + sender.address)).on('error', () => end('nowhere'));
    socket.send('?', port, to);
  });
}

function runAs(user) {
  const own = calls.filter((call) => (call.uid ?? 0) === user);
  const outside = user === 'outside' ? ['nsenter', '-t', process.env.OUTSIDE, '-n'] : [];
  const args = ['-e', process.argv[2], JSON.stringify({ uid: user, calls: own })];
  const [command, ...words] = [...outside, process.execPath, ...args];
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (part) => { text += part; });
  return new Promise((end) => child.on('close', () => end(new Map(own.map((call, at) => [call, JSON.parse(text)[at]])))));
}

async function main() {
  if (uid !== undefined) {
    if (uid > 0) { process.setgroups([uid]); process.setgid(uid); process.setuid(uid); }
    process.stdout.write(JSON.stringify(await Promise.all(calls.map(connect))), () => process.exit(0));
    return;
  }
  const ready = [15001, 15006, 8080, 8090, 9090, 15008, 15020, 15053].map((port) => new Promise((done) => {
    net.createServer((socket) => socket.on('error', () => {}).end(String(port))).listen(port, '::', done);
  }));
  for (const [family, address] of [['udp4', '127.0.0.1'], ['udp6', '::1']]) {
    const socket = dgram.createSocket(family);
    socket.on('message', (_, sender) => socket.send('dns', sender.port, sender.address));
    ready.push(new Promise((done) => socket.bind(15053, address, done)));
  }
  await Promise.all(ready);
  const users = [...new Set(calls.map((call) => call.uid ?? 0))];
  const answers = (await Promise.all(users.map(runAs))).flatMap((answer) => [...answer]);
  const byCall = new Map(answers);
  process.stdout.write(JSON.stringify(calls.map((call) => byCall.get(call))), () => process.exit(0));
}
void main();
`;

/**
 * A link with two addresses of each family, the second one the sidecar's; its other end is in a network namespace of
 * its own, which forwards nothing.
 */
const NETWORK = [
  'set -e',
  'ip link set lo up',
  'ip link add pod0 type veth peer name far0',
  'ip link set pod0 up',
  'unshare -n sleep 60 & export OUTSIDE=$!',
  'trap "kill $OUTSIDE" EXIT',
  'until [ "$(readlink /proc/$OUTSIDE/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done',
  'ip link set far0 netns $OUTSIDE',
  'outside() { nsenter -t $OUTSIDE -n "$@"; }',
  'outside ip link set far0 up',
  'outside ip addr add 10.9.0.2/24 dev far0',
  'outside ip -6 addr add fd09::2/64 dev far0 nodad',
  'ip addr add 10.9.0.1/24 dev pod0',
  'ip addr add 10.9.0.254/32 dev pod0',
  'ip -6 addr add fd09::1/64 dev pod0 nodad',
  'ip -6 addr add fd09::254/128 dev pod0 nodad',
  'ip route add default dev pod0 src 10.9.0.1',
  'ip -6 route add default dev pod0 src fd09::1',
].join('\n');

interface Call {
  readonly to: string;
  readonly port: number;
  /** `outside`: from another network namespace, a neighbour on the link. Default 0. */
  readonly uid?: number | 'outside';
  readonly from?: string;
  readonly udp?: true;
  /** The port that was reached. */
  readonly reaches: string;
}

const common: InterceptionOptions = {
  dnsCapture: true,
  excludeInboundPorts: '9090',
  excludeOutboundPorts: '8090',
  excludeOutboundIpRanges: '203.0.113.0/24,2001:db8:1::/48',
  includeOutboundIpRanges: '198.51.100.0/24,203.0.113.0/24,10.9.0.0/24,2001:db8::/32',
};
const byUser: readonly Call[] = [
  { to: '198.51.100.7', port: 80, reaches: '15001' },
  { to: '198.51.100.7', port: 80, uid: 1000, reaches: '15001' },
  { to: '2001:db8::7', port: 80, uid: 1000, reaches: '15001' },
  { to: '198.51.100.7', port: 8090, reaches: 'nowhere' },
  { to: '198.51.100.7', port: 15_008, reaches: 'nowhere' },
  { to: '203.0.113.7', port: 80, reaches: 'nowhere' },
  { to: '2001:db8:1::7', port: 80, reaches: 'nowhere' },
  { to: '192.0.2.7', port: 80, reaches: 'nowhere' },
  { to: '127.0.0.1', port: 8080, reaches: '8080' },
  { to: '::1', port: 8080, reaches: '8080' },
  { to: '10.9.0.1', port: 8080, reaches: '8080' },
  { to: '198.51.100.53', port: 53, reaches: '15053' },
  { to: '198.51.100.53', port: 53, udp: true, reaches: 'dns as 198.51.100.53' },
  { to: '2001:db8::53', port: 53, udp: true, reaches: 'dns as 2001:db8::53' },
  // The sidecar: out as it is, to its own pod in by the front door, from 127.0.0.6 to the application.
  { to: '198.51.100.7', port: 80, uid: 1337, reaches: 'nowhere' },
  { to: '2001:db8::7', port: 80, uid: 1337, reaches: 'nowhere' },
  { to: '198.51.100.53', port: 53, uid: 1337, udp: true, reaches: 'nowhere' },
  { to: '10.9.0.1', port: 8080, uid: 1337, reaches: '15006' },
  { to: 'fd09::1', port: 8080, uid: 1337, reaches: '15006' },
  { to: '10.9.0.1', port: 15_008, uid: 1337, reaches: '15008' },
  { to: '10.9.0.1', port: 8080, uid: 1337, from: '127.0.0.6', reaches: '8080' },
  { to: '127.0.0.1', port: 8080, uid: 1337, reaches: '8080' },
];
const inbound: readonly Call[] = [
  { to: '10.9.0.1', port: 8080, uid: 'outside', reaches: '15006' },
  { to: 'fd09::1', port: 8080, uid: 'outside', reaches: '15006' },
  { to: '10.9.0.1', port: 9090, uid: 'outside', reaches: '9090' },
  { to: 'fd09::1', port: 9090, uid: 'outside', reaches: '9090' },
  { to: '10.9.0.1', port: 15_020, uid: 'outside', reaches: '15020' },
  { to: '10.9.0.1', port: 15_008, uid: 'outside', reaches: '15008' },
];
const byAddress: readonly Call[] = [
  { to: '198.51.100.7', port: 80, uid: 1337, reaches: '15001' },
  { to: '2001:db8::7', port: 80, reaches: '15001' },
  { to: '198.51.100.7', port: 80, from: '10.9.0.254', reaches: 'nowhere' },
  { to: '2001:db8::7', port: 80, from: 'fd09::254', reaches: 'nowhere' },
  { to: '10.9.0.1', port: 8080, from: '10.9.0.254', reaches: '15006' },
  { to: 'fd09::1', port: 8080, from: 'fd09::254', reaches: '15006' },
  { to: '10.9.0.1', port: 8080, from: '127.0.0.6', reaches: '8080' },
  { to: '10.9.0.1', port: 8080, reaches: '8080' },
];

/** Every user here has a group of the same number. */
const byUserAndPort: readonly Call[] = [
  { to: '198.51.100.7', port: 80, uid: 1000, reaches: '15001' },
  { to: '198.51.100.7', port: 80, uid: 2005, reaches: 'nowhere' },
  { to: '2001:db8::7', port: 80, uid: 2005, reaches: 'nowhere' },
  { to: '198.51.100.53', port: 53, uid: 2005, udp: true, reaches: 'nowhere' },
  { to: '198.51.100.7', port: 80, uid: 3000, reaches: 'nowhere' },
  { to: '2001:db8::7', port: 80, uid: 3000, reaches: 'nowhere' },
  { to: '192.0.2.7', port: 80, uid: 1000, reaches: 'nowhere' },
  { to: '192.0.2.7', port: 7777, uid: 1000, reaches: '15001' },
  { to: 'fd0a::7', port: 7777, uid: 1000, reaches: '15001' },
  // The sidecar, by its group alone.
  { to: '198.51.100.7', port: 7777, uid: 1337, reaches: 'nowhere' },
  { to: '10.9.0.1', port: 8080, uid: 1337, reaches: '15006' },
];
const byInterface: readonly Call[] = [
  { to: '198.51.100.7', port: 80, reaches: 'nowhere' },
  { to: '2001:db8::7', port: 80, reaches: 'nowhere' },
  { to: '198.51.100.53', port: 53, udp: true, reaches: 'nowhere' },
  { to: '10.9.0.1', port: 8080, uid: 'outside', reaches: '8080' },
  { to: 'fd09::1', port: 8080, uid: 'outside', reaches: '8080' },
  { to: '10.9.0.1', port: 8080, uid: 1337, reaches: '15006' },
];

const variants = { 'iptables-nft': 'nft', 'iptables-legacy': 'legacy', nftables: '' } as const;

describe('rules, applied in a network namespace', () => {
  for (const [variant, suffix] of Object.entries(variants)) {
    const skip = whyNot(suffix) ?? false;
    it(`lead connections as they should, the sidecar told by its user (${variant})`, { skip }, () => {
      assertCalls(common, suffix, [...byUser, ...inbound]);
    });
    it(`lead to the sidecar what comes in on chosen ports alone (${variant})`, { skip }, () => {
      assertCalls({ includeInboundPorts: '8080,15020' }, suffix, [
        ...inbound,
        { to: '10.9.0.1', port: 8090, uid: 'outside', reaches: '8090' },
      ]);
    });
    it(
      `leave alone users, groups and interfaces that are excluded, and take chosen ports (${variant})`,
      { skip },
      () => {
        const chosen: InterceptionOptions = {
          proxyUids: '',
          proxyGids: '1337',
          excludeOutboundUids: '2000-2010',
          excludeOutboundGids: '3000',
          includeOutboundPorts: '7777',
          includeOutboundIpRanges: '198.51.100.0/24,2001:db8::/32',
          dnsCapture: true,
        };
        assertCalls(chosen, suffix, byUserAndPort);
        assertCalls({ excludeInterfaces: 'pod0,other0', dnsCapture: true }, suffix, byInterface);
      },
    );
    it(`lead connections as they should, the sidecar told by its address (${variant})`, { skip }, () => {
      assertCalls({ ...common, proxySource: { v4: '10.9.0.254', v6: 'fd09::254' } }, suffix, byAddress);
    });
  }
});

function assertCalls(options: InterceptionOptions, suffix: string, calls: readonly Call[]): void {
  const plan = interceptionPlan(parseInterceptionOptions(options), suffix === '' ? 'nftables' : 'iptables');
  const script = `${NETWORK}\n${variantFunctions(suffix)}\n${formatPlan(plan)}\n"$0" -e "$1" "$2" "$1"`;
  const run = spawnSync(
    'unshare',
    ['-n', 'bash', '-c', script, process.execPath, PROGRAM, JSON.stringify({ calls })],
    { encoding: 'utf8', timeout: 60_000 },
  );
  assert.equal(run.status, 0, run.stderr);
  const reached = JSON.parse(run.stdout) as readonly string[];
  assert.deepEqual(
    calls.map((call, index) => ({ ...call, reaches: reached[index] })),
    calls,
  );
}

/** A plan's names mean one variant of the programs throughout. */
function variantFunctions(suffix: string): string {
  if (suffix === '') return '';
  return ['iptables', 'ip6tables']
    .flatMap((name) => [
      `${name}() { ${name}-${suffix} "$@"; }`,
      `${name}-restore() { ${name}-${suffix}-restore "$@"; }`,
    ])
    .join('\n');
}

function whyNot(suffix: string): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has these rules';
  if (process.getuid?.() !== 0) return 'needs root to make a network namespace';
  const probe = suffix === '' ? 'nft list ruleset' : `iptables-${suffix} -t nat -S`;
  const run = spawnSync('unshare', ['-n', 'bash', '-c', `${NETWORK}\n${probe}`], { encoding: 'utf8' });
  if (run.status === 0) return undefined;
  return `cannot be tried here: ${(run.error?.message ?? run.stderr).trim().split('\n')[0]}`;
}
