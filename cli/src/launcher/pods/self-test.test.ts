import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import {
  formatPlan,
  interceptionPlan,
  parseInterceptionOptions,
  type InterceptionOptions,
} from '@heddle/injector';
import { FAMILIES, NETWORK, PodAddressPool, SIDECAR_PORTS } from './pod-addresses.js';

const { addresses } = new PodAddressPool(FAMILIES).take();
const { v4, v6 = v4 } = addresses;

/** In the pod: the sockets of its sidecar, the self-test, and what it finds. */
const PROGRAM = `
const { createServer } = require('node:net');
const { modules: [test, destinations], addresses, ports, lies, timeoutMs } = JSON.parse(process.argv[1]);
const listen = (host, port) => new Promise((done, fail) => {
  const server = createServer().once('error', fail);
  server.listen({ host, port, ipv6Only: host === '::' }, () => done(server));
});
(async () => {
  const { selfTest } = await import(test);
  const { find } = (await import(destinations)).originalDestinations();
  const both = async (v4, v6, port) => ({ v4: await listen(v4, port), v6: await listen(v6, port) });
  const servers = {
    outbound: await both('0.0.0.0', '::', ports.outbound),
    inbound: await both('0.0.0.0', '::', ports.inbound),
    dns: await both('127.0.0.1', '::1', ports.dns),
  };
  const told = lies ? () => ({ host: '127.0.0.1', port: 1 }) : find;
  console.log(JSON.stringify(await selfTest({ addresses, servers, find: told, timeoutMs })));
  process.exit(0);
})();
`;

/** Outside of the pod, where everything that leaves it ends: connections are closed. */
const OUTSIDE = `require('node:net').createServer((socket) => socket.end()).listen(80, '::', () => console.log('up'))`;

/** A pod with a link to somewhere that has the addresses that nobody has. */
const LINK = [
  'set -e',
  'ip link set lo up',
  'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad',
  'unshare -n sleep 60 & export FAR=$!',
  'trap "kill $FAR \\$SERVER 2>/dev/null" EXIT',
  'until [ "$(readlink /proc/$FAR/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done',
  'far() { nsenter -t $FAR -n "$@"; }',
  'ip link add pod0 type veth peer name far0 netns $FAR',
  'far ip link set lo up',
  'far ip link set far0 up',
  'ip link set pod0 up',
  ...FAMILIES.flatMap((family) => {
    const { switch: gateway, nowhere } = NETWORK[family];
    const { application, sidecar } = addresses[family] ?? v4;
    const ip = `ip -${family.slice(1)}`;
    const nodad = family === 'v6' ? ' nodad' : '';
    return [
      ...[application, sidecar].map((address) => `${ip} addr add ${address} dev pod0${nodad}`),
      `${ip} route add ${gateway} dev pod0`,
      `[ "$NO_ROUTE" = ${family} ] || ${ip} route add default via ${gateway} dev pod0 src ${application}`,
      `far ${ip} addr add ${gateway} dev far0${nodad}`,
      `far ${ip} addr add ${nowhere} dev lo${nodad}`,
      ...[application, sidecar].map((address) => `far ${ip} route add ${address} dev far0`),
    ];
  }),
].join('\n');

const GOOD: InterceptionOptions = {
  dnsCapture: true,
  proxySource: { v4: v4.sidecar, v6: v6.sidecar },
};

describe('the self-test of a pod', { skip: whyNot() ?? false }, () => {
  it('finds nothing where everything is led to the sidecar, and the sidecar’s own connections get out', () => {
    assert.deepEqual(findings(GOOD), []);
  });

  it('finds connections of the application that go past the sidecar', () => {
    assert.deepEqual(findings({ ...GOOD, excludeOutboundIpRanges: '240.240.0.0/16' }), [
      'IPv4: connections of the application are answered by somebody else: they would go past the sidecar',
    ]);
  });

  it('finds connections to the application that go past the sidecar', () => {
    const without = (plan: string): string =>
      plan.replace(new RegExp(`^.*saddr ${v6.sidecar}.*redirect to :${SIDECAR_PORTS.inbound}.*$`, 'm'), '');
    assert.deepEqual(findings(GOOD, { without }), [
      'IPv6: connections to the application fail (ECONNREFUSED): others would reach it past its sidecar',
    ]);
  });

  it('finds DNS questions that go past the sidecar, by UDP and by TCP', () => {
    assert.deepEqual(
      findings({ ...GOOD, dnsCapture: false }, { timeoutMs: 1_500 }).map((finding) =>
        finding.replace(/ (come|do not).*:/, ' …:'),
      ),
      ['IPv4', 'IPv6'].flatMap((family) => [
        `${family}: DNS questions by TCP …: names of the mesh would not be known`,
        `${family}: DNS questions by UDP …: names of the mesh would not be known`,
      ]),
    );
  });

  it('finds connections of the sidecar that come back to it', () => {
    assert.deepEqual(findings({ ...GOOD, proxySource: { v4: '198.19.255.255', v6: v6.sidecar } }), [
      'IPv4: connections to the application fail (ECONNREFUSED): others would reach it past its sidecar',
      'IPv4: connections of the sidecar are led back to it: it would call itself, or nobody',
    ]);
  });

  it('finds that nobody can tell where connections were going', () => {
    const [first] = findings(GOOD, { lies: true });
    assert.equal(
      first,
      'IPv4: connections of the application come to it as going to 127.0.0.1:1, and not to 240.240.255.254:80: they would go past the sidecar',
    );
  });

  it('finds that there is no way out of the pod', () => {
    const found = findings(GOOD, { noRoute: 'v6' });
    assert.ok(
      found.includes('IPv6: connections of the sidecar fail (ENETUNREACH): it would call itself, or nobody'),
      found.join('\n'),
    );
    assert.ok(
      found.every((finding) => finding.startsWith('IPv6: ')),
      found.join('\n'),
    );
  });
});

/** What the self-test finds in a pod with these rules, or with a part of them. */
function findings(
  options: InterceptionOptions,
  {
    without = (plan) => plan,
    lies = false,
    noRoute = '',
    timeoutMs = 5_000,
  }: { without?: (plan: string) => string; lies?: boolean; noRoute?: string; timeoutMs?: number } = {},
): readonly string[] {
  const plan = formatPlan(interceptionPlan(parseInterceptionOptions(options), 'nftables'));
  const script = [
    LINK,
    without(plan),
    'coproc OUT { exec nsenter -t $FAR -n "$0" -e "$3"; }',
    'SERVER=$OUT_PID',
    'read -r -u "${OUT[0]}" _',
    '"$0" -e "$1" "$2"',
  ].join('\n');
  const modules = [
    new URL('./self-test.js', import.meta.url).href,
    import.meta.resolve('@heddle/supervisor/original-destination'),
  ];
  const told = JSON.stringify({ modules, addresses, ports: SIDECAR_PORTS, lies, timeoutMs });
  const run = spawnSync('unshare', ['-n', 'bash', '-c', script, process.execPath, PROGRAM, told, OUTSIDE], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, NO_ROUTE: noRoute },
  });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout) as readonly string[];
}

function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has these rules';
  if (process.getuid?.() !== 0) return 'needs root to make a network namespace';
  const run = spawnSync('unshare', ['-n', 'bash', '-c', `${LINK}\nnft list ruleset`], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...process.env, NO_ROUTE: '' },
  });
  if (run.status === 0) return undefined;
  return `cannot be tried here: ${(run.error?.message ?? run.stderr).trim().split('\n')[0]}`;
}
