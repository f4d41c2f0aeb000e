import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const heddleProxy = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/data-plane')));
const heddleIptables = fileURLToPath(
  new URL('./heddle-iptables/main.js', import.meta.resolve('@heddle/injector')),
);

/**
 * A pod of its own, and a neighbour at the other end of its cable. In the pod: an application of user 1000, heddle-proxy of user
 * 1337, and the rules. The proxy has no capability but what TPROXY needs.
 */
const SCRIPT = `
set -e
ip link set lo up
ip link add pod0 type veth peer name far0
ip link set pod0 up
unshare -n sleep 50 & FAR=$!

until [ "$(readlink /proc/$FAR/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done
ip link set far0 netns $FAR
far() { nsenter -t $FAR -n "$@"; }
far ip link set lo up
far ip link set far0 up
far ip addr add 10.9.0.2/24 dev far0
far ip -6 addr add fd09::2/64 dev far0 nodad
ip addr add 10.9.0.1/24 dev pod0
ip -6 addr add fd09::1/64 dev pod0 nodad
ip route add default dev pod0 src 10.9.0.1
ip -6 route add default dev pod0 src fd09::1
"$NODE" "$IPTABLES" apply --backend $VARIANT --mode $MODE >/dev/null
application() { setpriv --reuid 1000 --regid 1000 --clear-groups "$NODE" -e "$PROGRAM" "$@"; }
application serve application 8080 &
far "$NODE" -e "$PROGRAM" serve far 7070 &
caps='--inh-caps=-all'
[ $MODE = TPROXY ] && caps='--inh-caps=-all,+net_raw --ambient-caps=+net_raw'
setpriv --reuid 1337 --regid 1337 --clear-groups $caps --no-new-privs "$NODE" "$PROXY" -c "$BOOTSTRAP" -l warning &
"$NODE" -e "$PROGRAM" ready
application call http://198.51.100.7:9080/ 'http://[2001:db8::7]:9080/' tcp://198.51.100.8:5432 'tcp://[2001:db8::8]:5432' \\
  http://10.9.0.2:7070/ 'http://[fd09::2]:7070/' http://127.0.0.1:8080/ tcp://127.0.0.1:15001
far "$NODE" -e "$PROGRAM" call http://10.9.0.1:8080/ 'http://[fd09::1]:8080/' tcp://10.9.0.1:8081 'tcp://[fd09::1]:8081' \\
  tcp://10.9.0.1:15006
`;

const PROGRAM = `
const net = require('node:net');
const http = require('node:http');
const [, what, ...words] = process.argv;
const plain = (address) => address.replace('::ffff:', '');
function call(url) {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/[\\[\\]]/g, '');
  return new Promise((done) => {
    setTimeout(done, 4000, 'nothing');
    if (protocol === 'tcp:') {
      let text = '';
      const socket = net.connect(Number(port), host).on('data', (bytes) => (text += bytes)).on('error', () => {});
      socket.on('close', () => done(text || 'closed'));
      return;
    }
    http.get({ host, port, agent: false }, (response) => {
      let text = '';
      response.on('data', (bytes) => (text += bytes)).on('end', () => done(text));
    }).on('error', (error) => done(error.code));
  });
}
if (what === 'serve') {
  http.createServer((request, response) => response.end(words[0] + ' sees ' + plain(request.socket.remoteAddress)))
    .listen(Number(words[1]), '::');
  net.createServer((socket) => socket.end(words[0] + ' is told by ' + plain(socket.remoteAddress))).listen(8081, '::');
  if (words[0] === 'far') net.createServer((socket) => socket.end('speaks first')).listen(7071, '::');
} else if (what === 'ready') {
  const ask = () => http.get('http://127.0.0.1:15000/ready', (response) => {
    response.resume();
    if (response.statusCode === 200) process.exit(0);
    setTimeout(ask, 50);
  }).on('error', () => setTimeout(ask, 50));
  ask();
} else Promise.all(words.map(call)).then((answers) => {
  for (const answer of answers) console.log(answer);
  process.exit(0);
});
`;

const OUT = [
  'far sees 10.9.0.1',
  'far sees 10.9.0.1',
  'speaks first',
  'speaks first',
  'far sees 10.9.0.1',
  'far sees fd09::1',
  'application sees 127.0.0.1',
  'closed',
];
/** What the application sees: its sidecar, or with TPROXY its caller. A call to the sidecar's own port ends there. */
const IN = {
  REDIRECT: [
    'application sees 127.0.0.6',
    'application sees ::6',
    'application is told by 127.0.0.6',
    'application is told by ::6',
    'closed',
  ],
  TPROXY: [
    'application sees 10.9.0.2',
    'application sees fd09::2',
    'application is told by 10.9.0.2',
    'application is told by fd09::2',
    'closed',
  ],
};

describe('heddle-proxy behind the rules of heddle-iptables', () => {
  for (const variant of ['iptables-nft', 'iptables-legacy', 'nftables']) {
    for (const mode of ['REDIRECT', 'TPROXY'] as const) {
      const skip = whyNot(variant) ?? false;
      it(`gets what goes out and what comes in, by IPv4 and IPv6 (${mode}, ${variant})`, { skip }, (t) => {
        const folder = mkdtempSync(join(tmpdir(), 'heddle-captured-'));
        t.after(() => rmSync(folder, { recursive: true }));
        const bootstrap = join(folder, 'bootstrap.json');
        writeFileSync(bootstrap, JSON.stringify(bootstrapOf(mode)));
        // The proxy is another user.
        spawnSync('chmod', ['-R', 'a+rX', folder]);
        const run = spawnSync(
          'unshare',
          ['-n', '-p', '-f', '--mount-proc', '--kill-child', 'bash', '-c', SCRIPT],
          {
            encoding: 'utf8',
            timeout: 45_000,
            env: {
              ...process.env,
              ...{ NODE: process.execPath, PROXY: heddleProxy, IPTABLES: heddleIptables, PROGRAM },
              ...{ BOOTSTRAP: bootstrap, VARIANT: variant, MODE: mode },
            },
          },
        );
        assert.equal(run.status, 0, run.stderr);
        assert.deepEqual(run.stdout.trim().split('\n'), [...OUT, ...IN[mode]], run.stderr);
      });
    }
  }
});

function bootstrapOf(mode: string): unknown {
  const type = (name: string): string => `type.googleapis.com/envoy.extensions.filters.${name}`;
  const address = (host: string, port: number): object => ({
    socket_address: { address: host, port_value: port },
  });
  const both = (port: number): object => ({
    address: address('0.0.0.0', port),
    additional_addresses: [{ address: address('::', port) }],
  });
  const tcp = (cluster: string, match: object = {}): object => ({
    ...match,
    filters: [
      {
        name: 'tcp',
        typed_config: {
          '@type': type('network.tcp_proxy.v3.TcpProxy'),
          stat_prefix: cluster,
          cluster,
        },
      },
    ],
  });
  const toItself = (port: number): object =>
    tcp('nowhere', { name: 'itself', filter_chain_match: { destination_port: port } });
  const http = (cluster: string): object => ({
    filters: [
      {
        name: 'http',
        typed_config: {
          '@type': type('network.http_connection_manager.v3.HttpConnectionManager'),
          stat_prefix: 'out',
          http_filters: [{ name: 'router', typed_config: { '@type': type('http.router.v3.Router') } }],
          route_config: {
            virtual_hosts: [
              {
                name: 'all',
                domains: ['*'],
                routes: [{ match: { prefix: '/' }, route: { cluster } }],
              },
            ],
          },
        },
      },
    ],
  });
  const original = {
    name: 'original',
    typed_config: { '@type': type('listener.original_dst.v3.OriginalDst') },
  };
  const source = {
    name: 'source',
    typed_config: { '@type': type('listener.original_src.v3.OriginalSrc'), mark: 1337 },
  };
  const goingOn = { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '2s' };
  const fixed = (name: string, port: number | undefined): object => ({
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    load_assignment: {
      cluster_name: name,
      endpoints:
        port === undefined ? [] : [{ lb_endpoints: [{ endpoint: { address: address('10.9.0.2', port) } }] }],
    },
  });
  const withoutSocket = { bind_to_port: false, traffic_direction: 'OUTBOUND' };
  return {
    node: { id: 'captured', cluster: 'captured' },
    admin: { address: address('127.0.0.1', 15_000) },
    static_resources: {
      listeners: [
        {
          name: 'virtualOutbound',
          ...both(15_001),
          use_original_dst: true,
          filter_chains: [toItself(15_001), tcp('passthrough')],
        },
        {
          name: 'virtualInbound',
          ...both(15_006),
          transparent: mode === 'TPROXY',
          listener_filters: mode === 'TPROXY' ? [original, source] : [original],
          filter_chains: [
            toItself(15_006),
            { ...http('application'), filter_chain_match: { destination_port: 8080 } },
            tcp('application'),
          ],
        },
        { name: 'http', ...both(9080), ...withoutSocket, filter_chains: [http('far')] },
        {
          name: 'tcp4',
          address: address('198.51.100.8', 5432),
          ...withoutSocket,
          filter_chains: [tcp('greeter')],
        },
        {
          name: 'tcp6',
          address: address('2001:db8::8', 5432),
          ...withoutSocket,
          filter_chains: [tcp('greeter')],
        },
      ],
      clusters: [
        fixed('far', 7070),
        fixed('greeter', 7071),
        fixed('nowhere', undefined),
        { name: 'passthrough', ...goingOn },
        {
          name: 'application',
          ...goingOn,
          upstream_bind_config: {
            source_address: { address: '127.0.0.6', port_value: 0 },
            extra_source_addresses: [{ address: { address: '::6', port_value: 0 } }],
          },
        },
      ],
    },
  };
}

function whyNot(variant: string): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has these rules';
  if (process.getuid?.() !== 0) return 'needs root to make a network namespace, and users in it';
  const probe = variant === 'nftables' ? 'nft list ruleset' : `${variant} -t nat -S`;
  const script = `${probe} && setpriv --reuid 1337 --clear-groups --regid 1337 "$0" "$1" --version`;
  const run = spawnSync('unshare', ['-n', 'bash', '-c', script, process.execPath, heddleProxy], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (run.status === 0) return undefined;
  return `cannot be tried here: ${(run.error?.message ?? run.stderr).trim().split('\n')[0]}`;
}
