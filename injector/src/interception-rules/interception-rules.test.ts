import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseInterceptionOptions, type InterceptionOptions } from './interception-config.js';
import { cleanupPlan, formatPlan, interceptionPlan, type PlanBackend } from './interception-plan.js';
import { iptablesRules } from './iptables-rules.js';
import { nftablesRules } from './nftables-rules.js';

const goldens = new URL('../../testdata/rules/', import.meta.url);
const update = process.env['HEDDLE_UPDATE_GOLDENS'] === '1';

const cases: Readonly<Record<string, InterceptionOptions>> = {
  defaults: {},
  'dns-and-excludes': {
    dnsCapture: true,
    excludeInboundPorts: '22,9000-9010',
    excludeOutboundPorts: '8090',
    excludeOutboundIpRanges: '10.77.0.1/32,100::/64',
    excludeInterfaces: 'eth1,docker0',
    excludeOutboundUids: '2000,3000-3999',
    excludeOutboundGids: '2001',
  },
  'chosen-ports-and-ranges': {
    includeInboundPorts: '8080,9080',
    includeOutboundPorts: '9999',
    includeOutboundIpRanges: '10.96.0.0/12,fd96::/112',
  },
  'nothing-inbound-nothing-outbound': { includeInboundPorts: '', includeOutboundIpRanges: '' },
  tproxy: { mode: 'TPROXY', dnsCapture: true },
  'tproxy-chosen-ports': {
    mode: 'TPROXY',
    includeInboundPorts: '8080',
    excludeInterfaces: 'eth1',
    ipv6: false,
  },
  'without-ipv6': { ipv6: false, dnsCapture: true },
  'by-source-address': { dnsCapture: true, proxySource: { v4: '10.77.0.254', v6: 'fd77::254' } },
  'more-ports-than-one-match-takes': {
    excludeOutboundPorts: Array.from({ length: 40 }, (_, index) => String(1000 + 3 * index)).join(','),
    excludeInboundPorts: '1-2,4-5,7-8,10-11,13-14,16-17,19-20,22-23,25-26',
  },
  'other-ports-and-ids': {
    outboundPort: 25_001,
    inboundPort: 25_006,
    dnsPort: 25_053,
    dnsCapture: true,
    proxyUids: '4000',
    proxyGids: '',
  },
};

describe('rule texts', () => {
  for (const [name, options] of Object.entries(cases)) {
    it(`are as the goldens of "${name}" say`, () => {
      const config = parseInterceptionOptions(options);
      const { v4, v6 } = iptablesRules(config);
      compare(`${name}.v4.txt`, v4);
      compare(`${name}.v6.txt`, v6);
      compare(`${name}.nft.txt`, nftablesRules(config));
    });
  }

  it('make a plan that a shell can run, for both backends', () => {
    const config = parseInterceptionOptions({ mode: 'TPROXY' });
    for (const backend of ['iptables', 'nftables'] as const) {
      compare(`plan.${backend}.sh.txt`, formatPlan(interceptionPlan(config, backend)));
      compare(`cleanup.${backend}.sh.txt`, formatPlan(cleanupPlan(backend)));
    }
  });

  it('contain nothing of IPv6 where it is left alone', () => {
    const config = parseInterceptionOptions({ ipv6: false, mode: 'TPROXY' });
    assert.equal(iptablesRules(config).v6, '');
    const programs = interceptionPlan(config, 'iptables').map(({ program }) => program);
    assert.ok(!programs.some((program) => program.startsWith('ip6')));
  });
});

/** Each variant of the programs, how its state is listed, and how a plan's names are turned into its own. */
const variants = [
  {
    name: 'iptables-nft',
    backend: 'iptables',
    probe: 'iptables-nft -t nat -S',
    list: 'iptables-nft-save; ip6tables-nft-save',
    aliases: 'nft',
  },
  {
    name: 'iptables-legacy',
    backend: 'iptables',
    probe: 'iptables-legacy -t nat -S',
    list: 'iptables-legacy-save; ip6tables-legacy-save',
    aliases: 'legacy',
  },
  {
    name: 'nft',
    backend: 'nftables',
    probe: 'nft list ruleset',
    list: 'nft list ruleset',
    aliases: undefined,
  },
] as const;

describe('rules in a network namespace of their own', () => {
  for (const variant of variants) {
    const reason = whyNot(`${variant.probe} && ip -V`);
    for (const [name, options] of Object.entries(cases)) {
      it(
        `are taken by ${variant.name}, unchanged when applied again, and gone after clean-up: ${name}`,
        { skip: reason ?? false },
        () => {
          const { once, twice, cleaned } = applyTwiceAndClean(options, variant);
          assert.match(once, /heddle/i);
          assert.equal(twice, once);
          assert.doesNotMatch(cleaned, /heddle/i);
          assert.doesNotMatch(cleaned, /lookup 133/);
        },
      );
    }
  }
});

function applyTwiceAndClean(
  options: InterceptionOptions,
  variant: (typeof variants)[number],
): { readonly once: string; readonly twice: string; readonly cleaned: string } {
  const backend: PlanBackend = variant.backend;
  const apply = formatPlan(interceptionPlan(parseInterceptionOptions(options), backend));
  const list = `echo =====; { ${variant.list}; ip rule; ip -6 rule; } | sed -e '/^#/d' -e 's/\\[[0-9:]*\\]//'`;
  const names = ['iptables', 'ip6tables'];
  const functions =
    variant.aliases === undefined
      ? []
      : names.flatMap((name) => [
          `${name}() { ${name}-${variant.aliases} "$@"; }`,
          `${name}-restore() { ${name}-${variant.aliases}-restore "$@"; }`,
        ]);
  const script = [
    'set -e',
    ...functions,
    'ip link set lo up',
    apply,
    list,
    apply,
    list,
    formatPlan(cleanupPlan(backend)),
    list,
  ].join('\n');
  const run = inNamespace(script);
  assert.equal(run.status, 0, `${run.stderr}\n${script}`);
  const [, once = '', twice = '', cleaned = ''] = run.stdout.split('=====\n');
  return { once, twice, cleaned };
}

function inNamespace(script: string): ReturnType<typeof spawnSync> & { stdout: string; stderr: string } {
  return spawnSync('unshare', ['-n', 'bash', '-c', script], { encoding: 'utf8', timeout: 60_000 });
}

function whyNot(probe: string): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has these rules';
  if (process.getuid?.() !== 0) return 'needs root to make a network namespace';
  const { status, stderr, error } = inNamespace(probe);
  if (status === 0) return undefined;
  return `cannot be tried here: ${(error?.message ?? stderr).trim().split('\n')[0]}`;
}

function compare(name: string, text: string): void {
  const file = fileURLToPath(new URL(name, goldens));
  if (update) writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'), `${name}: set HEDDLE_UPDATE_GOLDENS=1 to accept`);
}
