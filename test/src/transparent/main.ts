import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { APPLICATION_PORTS } from './applications.js';
import { sidecarBootstrap, type InterceptionMode } from './bootstrap.js';

/**
 * Unmodified applications in two pods, each behind the rules of heddle-iptables and a sidecar: every mode, every program that sets
 * rules up, both families.
 *
 *   npm run test:transparent                 all
 *   npm run test:transparent -- nftables     those whose names have a word
 */
const VARIANTS = ['iptables-nft', 'iptables-legacy', 'nftables'] as const;
const MODES = ['REDIRECT', 'TPROXY'] as const;
const RUN_TIMEOUT_MS = 90_000;

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const heddleProxy = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/data-plane')));
const heddleIptables = fileURLToPath(
  new URL('./heddle-iptables/main.js', import.meta.resolve('@heddle/injector')),
);
const realRedis = spawnSync('redis-server', ['--version']).status === 0;

/** This pod calls, and the other one at the end of its cable is called. Nothing outside of the namespaces is touched. */
const SCRIPT = `
set -e
ip link set lo up
ip link add eth0 type veth peer name far0
ip link set eth0 up
unshare -n sleep 85 & FAR=$!
until [ "$(readlink /proc/$FAR/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done
ip link set far0 netns $FAR
far() { nsenter -t $FAR -n "$@"; }
far ip link set far0 name eth0
far ip link set lo up
far ip link set eth0 up
far ip addr add 10.9.0.2/24 dev eth0
far ip -6 addr add fd09::2/64 dev eth0 nodad
ip addr add 10.9.0.1/24 dev eth0
ip -6 addr add fd09::1/64 dev eth0 nodad
ip route add default dev eth0 src 10.9.0.1
ip -6 route add default dev eth0 src fd09::1
for pod in near far; do
  inside=''; [ $pod = far ] && inside=far
  $inside "$NODE" "$IPTABLES" apply --backend $VARIANT --mode $MODE --dns-capture >/dev/null
done
as() { setpriv --reuid $1 --regid $1 --clear-groups --no-new-privs "\${@:2}"; }
if [ "$REDIS" = real ]; then
  far setpriv --reuid 1000 --regid 1000 --clear-groups redis-server --port $REDIS_PORT --bind '* -::*' --protected-mode no \\
    --save '' --dir "$FOLDER" >/dev/null &
fi
far setpriv --reuid 1000 --regid 1000 --clear-groups "$NODE" "$SERVED" $REDIS &
caps='--inh-caps=-all'
[ $MODE = TPROXY ] && caps='--inh-caps=-all,+net_raw --ambient-caps=+net_raw'
sidecar() { "$@" setpriv --reuid 1337 --regid 1337 --clear-groups $caps --no-new-privs "$NODE" "$PROXY" -c "$BOOTSTRAP" -l warning; }
sidecar &
sidecar far &
ready() { "$@" "$NODE" -e "$READY"; }
ready
ready far
for port in $PORTS; do far bash -c "until exec 3<>/dev/tcp/127.0.0.1/$port; do sleep 0.1; done" 2>/dev/null; done
as 1000 "$NODE" "$CALLING" 10.9.0.2 fd09::2
`;

/** Ends when the sidecar of its pod serves. */
const READY = `
const http = require('node:http');
const ask = () => http.get('http://127.0.0.1:15000/ready', (response) => {
  response.resume();
  if (response.statusCode === 200) process.exit(0);
  setTimeout(ask, 50);
}).on('error', () => setTimeout(ask, 50));
ask();
`;

interface Row {
  readonly name: string;
  readonly came: string;
  readonly wanted: string;
}

const words = process.argv.slice(2);
const problems: string[] = [];
let ran = 0;
for (const variant of VARIANTS) {
  for (const mode of MODES) {
    const name = `${mode}, ${variant}`;
    if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
    const reason = whyNot(variant);
    if (reason !== undefined) {
      console.log(`skipped: ${name}: ${reason}`);
      continue;
    }
    ran++;
    const startMs = performance.now();
    const rows = run(mode, variant);
    const wrong = rows.filter(({ came, wanted }) => came !== wanted);
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    console.log(`${wrong.length === 0 ? 'ok' : 'FAILED:'} ${name}: ${rows.length} calls, ${seconds} s`);
    for (const row of wrong) {
      console.log(`        ${row.name}: ${row.came}, not ${row.wanted}`);
      problems.push(`${name}: ${row.name}`);
    }
  }
}
console.log(`${ran} ways, ${problems.length} problems${realRedis ? '' : '; Redis was a server of our own'}`);
process.exitCode = problems.length === 0 && (ran > 0 || words.length === 0) ? 0 : 1;

function run(mode: InterceptionMode, variant: string): readonly Row[] {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-pods-'));
  try {
    const bootstrap = join(folder, 'bootstrap.json');
    writeFileSync(bootstrap, JSON.stringify(sidecarBootstrap(mode, `10.9.0.2:${APPLICATION_PORTS.dns}`)));
    // Sidecars and applications are other users.
    spawnSync('chmod', ['-R', 'a+rwX', folder]);
    const { dns: _, ...ports } = APPLICATION_PORTS;
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      ['-n', '-p', '-f', '--mount-proc', '--kill-child', 'bash', '-c', SCRIPT],
      {
        encoding: 'utf8',
        timeout: RUN_TIMEOUT_MS,
        env: {
          ...process.env,
          ...{ NODE: process.execPath, PROXY: heddleProxy, IPTABLES: heddleIptables, FOLDER: folder },
          ...{ SERVED: here('./served-applications.js'), CALLING: here('./calling-application.js') },
          ...{
            READY,
            BOOTSTRAP: bootstrap,
            VARIANT: variant,
            MODE: mode,
            REDIS: realRedis ? 'real' : 'redis',
          },
          ...{ REDIS_PORT: String(APPLICATION_PORTS.redis), PORTS: Object.values(ports).join(' ') },
        },
      },
    );
    const came = new Map(
      stdout
        .split('\n')
        .filter((line) => line.startsWith('['))
        .map((line) => JSON.parse(line) as [string, string]),
    );
    const rows = expected(mode).map(([name, wanted]) => ({
      name,
      wanted,
      came: came.get(name) ?? 'nothing',
    }));
    if (status === 0) return rows;
    return [
      ...rows,
      { name: 'the pods', wanted: 'to run', came: stderr.trim().split('\n').slice(-5).join(' ') },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What each call comes to: an application sees its sidecar, or with TPROXY who calls. */
function expected(mode: InterceptionMode): readonly (readonly [string, string])[] {
  return ['IPv4', 'IPv6'].flatMap((family) => {
    const isV4 = family === 'IPv4';
    const caller = mode === 'REDIRECT' ? (isV4 ? '127.0.0.6' : '::6') : isV4 ? '10.9.0.1' : 'fd09::1';
    return [
      [`http by ${family}`, `200 ${caller} 0`],
      [`http, 3 MB by ${family}`, `200 ${caller} 3000000`],
      [`grpc by ${family}`, `hello ${caller}`],
      [`websocket by ${family}`, `hello ${caller}`],
      [`postgres by ${family}`, `welcome ${caller}, you said hello`],
      [`redis by ${family}`, `+OK heddle ${caller}`],
      [`dns A by ${family}`, '192.0.2.7'],
      [`dns AAAA by ${family}`, '2001:db8::7'],
      [`dns TXT by ${family}`, 'hello'],
      [`dns no such name by ${family}`, 'ENOTFOUND'],
    ] as const;
  });
}

function whyNot(variant: string): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has these rules';
  if (process.getuid?.() !== 0) return 'needs root to make network namespaces, and users in them';
  const probe = variant === 'nftables' ? 'nft list ruleset' : `${variant} -t nat -S`;
  const script = `${probe} && setpriv --reuid 1337 --clear-groups --regid 1337 "$0" "$1" --version`;
  const tried = spawnSync('unshare', ['-n', 'bash', '-c', script, process.execPath, heddleProxy], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (tried.status === 0) return undefined;
  return `cannot be tried here: ${(tried.error?.message ?? tried.stderr).trim().split('\n')[0]}`;
}
