import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { heddleIptables } from './command.js';
import { RULES_VARIANTS, type ProgramRun } from './rules-variant.js';

describe('heddle-iptables', () => {
  it('prints what it would do as a script, and runs nothing', () => {
    const machine = new FakeMachine({});
    assert.equal(
      machine.run('apply', '--dry-run', '--backend', 'nftables', '--exclude-outbound-ports=22'),
      0,
    );
    assert.match(machine.said, /^ip -6 addr replace .*\nnft -f - <<'END'\n/);
    assert.match(machine.said, /tcp dport \{ 22 \} return/);
    assert.equal(machine.run('clean', '--dry-run'), 0);
    assert.match(machine.said, /iptables-restore -w --noflush <<'END'/);
    assert.deepEqual(machine.commands, []);
  });

  it('names every mistake of its command line and ends with 64', () => {
    for (const [args, expected] of [
      [[], /expected apply or clean/],
      [['apply', '--backend', 'ipfw'], /"ipfw" is not auto or one of/],
      [['apply', '--mode=NONE', '--dns-port=0'], /mode: "NONE"[^]*dnsPort: 0/],
      [['clean', '--mode=TPROXY'], /clean takes --backend and --dry-run alone/],
      [['apply', '--nonsense'], /nonsense/],
    ] as const) {
      const machine = new FakeMachine({});
      assert.equal(machine.run(...args), 64);
      assert.match(machine.complained, expected);
      assert.deepEqual(machine.commands, []);
    }
  });

  it('says of each program why it cannot be used where none can', () => {
    const machine = new FakeMachine({
      'iptables-nft': { status: 4, stdout: '', stderr: 'Permission denied (you must be root)\n' },
      nft: { status: undefined, stdout: '', stderr: 'spawnSync nft ENOENT' },
    });
    assert.equal(machine.run('apply'), 1);
    assert.match(machine.complained, /iptables-nft: Permission denied .*CAP_NET_ADMIN/);
    assert.match(machine.complained, /nftables: nft is not installed/);
    assert.match(machine.complained, /iptables-legacy: iptables-legacy is not installed/);
  });

  it('uses the variant that holds the rules of others, and nft where nobody has any', () => {
    const works = { status: 0, stdout: '', stderr: '' };
    const holds = { status: 0, stdout: '-P OUTPUT ACCEPT\n-A OUTPUT -j DOCKER\n', stderr: '' };
    const both = new FakeMachine({ 'iptables-nft': works, 'iptables-legacy': holds }, works);
    assert.equal(both.run('apply'), 0);
    assert.match(both.said, /REDIRECT with iptables-legacy/);
    const none = new FakeMachine({ 'iptables-nft': works, 'iptables-legacy': works }, works);
    assert.equal(none.run('apply'), 0);
    assert.match(none.said, /REDIRECT with iptables-nft/);
  });

  it('stops at the first command that fails, and names it', () => {
    const works = { status: 0, stdout: '', stderr: '' };
    const broken = { status: 2, stdout: '', stderr: 'unknown target REDIRECT' };
    const machine = new FakeMachine({ 'iptables-nft-restore': broken }, works);
    assert.equal(machine.run('apply', '--backend=iptables-nft'), 1);
    assert.match(machine.complained, /iptables-nft-restore -w --noflush: unknown target REDIRECT/);
    assert.ok(!machine.commands.includes('ip6tables-nft-restore'));
  });

  for (const variant of RULES_VARIANTS) {
    const skip = whyNotInNamespace(variant) ?? false;
    it(`changes nothing when it is done again, and leaves nothing behind (${variant})`, { skip }, () => {
      const dump = variant === 'nftables' ? 'nft list ruleset' : `${variant}-save | grep -v '^#'`;
      const script = [
        'set -e',
        'ip link set lo up',
        `dump() { { ${dump}; ip rule; ip -6 rule; ip -6 addr show dev lo; } | sed -E 's/\\[[0-9:]+\\]//' >"$2/$1"; }`,
        'before=$(mktemp -d); trap "rm -r $before" EXIT',
        // The tables themselves appear by being looked at.
        'tool() { "$NODE" "$MAIN" "$@" --backend "$VARIANT" >/dev/null; }',
        'tool apply; tool clean; dump empty $before',
        'for mode in REDIRECT TPROXY REDIRECT; do',
        '  tool apply --mode=$mode --dns-capture; dump once $before',
        '  tool apply --mode=$mode --dns-capture; dump twice $before',
        '  diff $before/once $before/twice; grep -qi heddle $before/once',
        'done',
        'tool clean; dump after $before; diff $before/empty $before/after; ! grep -qi heddle $before/after',
        'tool clean',
      ].join('\n');
      const run = inNamespace(script, { VARIANT: variant });
      assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
    });
  }

  it(
    'takes away what another variant holds before it sets its own up',
    { skip: whyNotAll() ?? false },
    () => {
      const script = [
        'set -e',
        'for variant in iptables-nft iptables-legacy nftables iptables-nft; do',
        '  "$NODE" "$MAIN" apply --backend $variant',
        '  held=0',
        '  iptables-nft-save 2>/dev/null | grep -q HEDDLE && held=$((held + 1))',
        '  iptables-legacy-save | grep -q HEDDLE && held=$((held + 1))',
        '  nft list table inet heddle >/dev/null 2>&1 && held=$((held + 1))',
        '  [ $held = 1 ]',
        'done',
      ].join('\n');
      const run = inNamespace(script, {});
      assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
    },
  );
});

/** A machine on which only the programs that are given exist. */
class FakeMachine {
  said = '';
  complained = '';
  readonly commands: string[] = [];
  readonly #programs: Readonly<Record<string, ProgramRun>>;
  readonly #others: ProgramRun | undefined;

  constructor(programs: Readonly<Record<string, ProgramRun>>, others?: ProgramRun) {
    this.#programs = programs;
    this.#others = others;
  }

  run(...args: readonly string[]): number {
    this.said = '';
    this.complained = '';
    return heddleIptables(args, {
      run: (program, given) => {
        this.commands.push(program);
        // There is no rule of ours yet.
        if (given.includes('-D') || given[1] === 'table' || given.includes('-C'))
          return { ...absent, status: 1 };
        return (
          this.#programs[program] ?? this.#others ?? { ...absent, stderr: `spawnSync ${program} ENOENT` }
        );
      },
      say: (text) => void (this.said += text),
      complain: (text) => void (this.complained += text),
    });
  }
}

const absent: ProgramRun = { status: undefined, stdout: '', stderr: '' };

function inNamespace(
  script: string,
  environment: Readonly<Record<string, string>>,
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync('unshare', ['-n', 'bash', '-o', 'pipefail', '-c', script], {
    encoding: 'utf8',
    timeout: 60_000,
    env: {
      ...process.env,
      ...environment,
      NODE: process.execPath,
      MAIN: fileURLToPath(new URL('./main.js', import.meta.url)),
    },
  });
}

function whyNotInNamespace(variant: string): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has these rules';
  if (process.getuid?.() !== 0) return 'needs root to make a network namespace';
  const probe = variant === 'nftables' ? 'nft list ruleset' : `${variant} -t nat -S`;
  const run = inNamespace(`${probe} && ip rule`, {});
  return run.status === 0 ? undefined : `cannot be tried here: ${run.stderr.trim().split('\n')[0]}`;
}

function whyNotAll(): string | undefined {
  return RULES_VARIANTS.map(whyNotInNamespace).find((reason) => reason !== undefined);
}
