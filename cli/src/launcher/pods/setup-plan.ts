import { MACHINE_ADDRESS, PODS_RANGE, type PodAddresses } from './pod-addresses.js';

/** What the program that sets up namespaces from inside is asked to do. */
export type SetupPlan =
  | { readonly kind: 'switch'; readonly variant: string }
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
export function egressRules(variant: string, port: number): RulesCommand {
  if (variant === 'nftables') {
    const chain = (name: string, hook: string, ranges: string): string =>
      [
        `  chain ${name} {`,
        `    type nat hook ${hook}; policy accept;`,
        `    meta l4proto tcp ip daddr { ${MACHINE_ADDRESS}${ranges} } redirect to :${port}`,
        `    meta l4proto tcp ip daddr != { ${PODS_RANGE}, 127.0.0.0/8 } redirect to :${port}`,
        '  }',
      ].join('\n');
    return nft('heddle_egress', [
      chain('forwarded', 'prerouting priority dstnat', ''),
      // By number: nft 1.0.6 refuses the name dstnat on this hook.
      chain('own', 'output priority -100', ', 127.0.0.0/8'),
    ]);
  }
  const redirect = `-j REDIRECT --to-ports ${port}`;
  return iptables(variant, [
    ...['PREROUTING', 'OUTPUT'].flatMap((chain) => [
      `-A ${chain} -p tcp -d ${MACHINE_ADDRESS}/32 ${redirect}`,
      `-A ${chain} -p tcp -d ${PODS_RANGE} -j RETURN`,
    ]),
    `-A PREROUTING -p tcp ! -d 127.0.0.0/8 ${redirect}`,
    `-A OUTPUT -p tcp ${redirect}`,
  ]);
}

/** Rules of a pod: what its sidecar means by loopback is the machine's, where endpoints may be that run already. */
export function loopbackRules(variant: string, sidecar: string): RulesCommand {
  if (variant === 'nftables') {
    return nft('heddle_loopback', [
      '  chain own {',
      '    type nat hook output priority -101; policy accept;',
      `    ip saddr ${sidecar} ip daddr 127.0.0.0/8 meta l4proto tcp dnat to ${MACHINE_ADDRESS}`,
      '  }',
    ]);
  }
  return iptables(variant, [
    `-I OUTPUT 1 -p tcp -s ${sidecar}/32 -d 127.0.0.0/8 -j DNAT --to-destination ${MACHINE_ADDRESS}`,
  ]);
}

function nft(table: string, lines: readonly string[]): RulesCommand {
  return { program: 'nft', args: ['-f', '-'], input: `table ip ${table} {\n${lines.join('\n')}\n}\n` };
}

function iptables(variant: string, lines: readonly string[]): RulesCommand {
  const input = ['*nat', ...lines, 'COMMIT\n'].join('\n');
  return { program: `${variant}-restore`, args: ['-w', '--noflush'], input };
}
