import { NETWORK, type Family, type PodAddresses } from './pod-addresses.js';

/** What the program that sets up namespaces from inside is asked to do. */
export type SetupPlan =
  | { readonly kind: 'switch'; readonly variant: string; readonly families: readonly Family[] }
  | {
      readonly kind: 'pod';
      readonly variant: string;
      readonly addresses: PodAddresses;
      /** Whether its sidecar takes tunnels. */
      readonly hbone: boolean;
      /** Files that stand in for others inside: `[ours, theirs]`. */
      readonly mounts: readonly (readonly [source: string, target: string])[];
    };

/** What it answers, on the channel; sockets come with their address. */
export type SetupMessage =
  | { readonly kind: 'socket'; readonly host: string; readonly port: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly reason: string };

/** One command that gives the kernel rules, with its input. */
export interface RulesCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly input: string;
}

/**
 * Rules of the switch: what goes to the world outside, and to the loopback of the machine, is led to a socket that is served from
 * there.
 */
export function egressRules(variant: string, family: Family, port: number): RulesCommand {
  const { machine, pods, loopbackRange, bits } = NETWORK[family];
  if (variant === 'nftables') {
    const ip = nftFamily(family);
    const chain = (name: string, hook: string, ranges: string): string =>
      [
        `  chain ${name} {`,
        `    type nat hook ${hook}; policy accept;`,
        `    meta l4proto tcp ${ip} daddr { ${machine}${ranges} } redirect to :${port}`,
        `    meta l4proto tcp ${ip} daddr != { ${pods}, ${loopbackRange} } redirect to :${port}`,
        '  }',
      ].join('\n');
    return nft(family, 'heddle_egress', [
      chain('forwarded', 'prerouting priority dstnat', ''),
      // By number: nft 1.0.6 refuses the name dstnat on this hook.
      chain('own', 'output priority -100', `, ${loopbackRange}`),
    ]);
  }
  const redirect = `-j REDIRECT --to-ports ${port}`;
  return iptables(variant, family, [
    ...['PREROUTING', 'OUTPUT'].flatMap((chain) => [
      `-A ${chain} -p tcp -d ${machine}/${bits} ${redirect}`,
      `-A ${chain} -p tcp -d ${pods} -j RETURN`,
    ]),
    `-A PREROUTING -p tcp ! -d ${loopbackRange} ${redirect}`,
    `-A OUTPUT -p tcp ${redirect}`,
  ]);
}

/** Rules of a pod: what its sidecar means by loopback is the machine's, where endpoints may be that run already. */
export function loopbackRules(variant: string, family: Family, sidecar: string): RulesCommand {
  const { machine, loopbackRange, bits } = NETWORK[family];
  if (variant === 'nftables') {
    const ip = nftFamily(family);
    return nft(family, 'heddle_loopback', [
      '  chain own {',
      '    type nat hook output priority -101; policy accept;',
      `    ${ip} saddr ${sidecar} ${ip} daddr ${loopbackRange} meta l4proto tcp dnat to ${machine}`,
      '  }',
    ]);
  }
  return iptables(variant, family, [
    `-I OUTPUT 1 -p tcp -s ${sidecar}/${bits} -d ${loopbackRange} -j DNAT --to-destination ${machine}`,
  ]);
}

function nftFamily(family: Family): 'ip' | 'ip6' {
  return family === 'v4' ? 'ip' : 'ip6';
}

function nft(family: Family, table: string, lines: readonly string[]): RulesCommand {
  const input = `table ${nftFamily(family)} ${table} {\n${lines.join('\n')}\n}\n`;
  return { program: 'nft', args: ['-f', '-'], input };
}

function iptables(variant: string, family: Family, lines: readonly string[]): RulesCommand {
  const input = ['*nat', ...lines, 'COMMIT\n'].join('\n');
  const program = family === 'v4' ? variant : variant.replace('iptables', 'ip6tables');
  return { program: `${program}-restore`, args: ['-w', '--noflush'], input };
}
