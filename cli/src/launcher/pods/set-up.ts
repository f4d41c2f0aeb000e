import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { describeError } from '@heddle/common';
import {
  backendOf,
  interceptionPlan,
  parseInterceptionOptions,
  runPlan,
  systemPrograms,
  type RulesVariant,
  type RunProgram,
} from '@heddle/injector';
import { originalDestinations } from '@heddle/supervisor/original-destination';
import { NETWORK, SIDECAR_PORTS, SWITCH_PORTS, pairsOf, type Family } from './pod-addresses.js';
import { selfTest } from './self-test.js';
import {
  egressRules,
  loopbackRules,
  type RulesCommand,
  type SetupMessage,
  type SetupPlan,
} from './setup-plan.js';

/** How long each step of the self-test may take. */
const TEST_TIMEOUT_MS = 3_000;
const ANY: Readonly<Record<Family, string>> = { v4: '0.0.0.0', v6: '::' };
const FORWARDING: Readonly<Record<Family, string>> = {
  v4: '/proc/sys/net/ipv4/ip_forward',
  v6: '/proc/sys/net/ipv6/conf/all/forwarding',
};

/**
 * Sets up the namespaces that this process runs in: addresses, routes, rules, and the sockets of whoever is to serve there. Those
 * are sent to the parent, so that they are open as long as it likes.
 */
export async function setUp(
  plan: SetupPlan,
  environment: Readonly<Record<string, string | undefined>>,
  send: (message: SetupMessage, handle?: unknown) => Promise<void>,
): Promise<void> {
  const run = systemPrograms(environment);
  try {
    if (plan.kind === 'switch') await setUpSwitch(plan, run, send);
    else await setUpPod(plan, run, send);
    await send({ kind: 'done' });
  } catch (cause) {
    await send({ kind: 'failed', reason: describeError(cause) });
  }
}

async function setUpSwitch(
  { variant, families }: Extract<SetupPlan, { kind: 'switch' }>,
  run: RunProgram,
  send: (message: SetupMessage, handle?: unknown) => Promise<void>,
): Promise<void> {
  const ip = ipCommand(run);
  ip('link set lo up');
  if (families.includes('v6')) useAddressesAtOnce('default');
  // A route to everywhere, so that connections of processes here get as far as the rules.
  ip('link add up0 type veth peer name up1');
  ip('link set up0 up');
  ip('link set up1 up');
  const { controlPlane, dns, egress } = SWITCH_PORTS;
  for (const family of families) {
    const { switch: address, bits, atOnce } = NETWORK[family];
    ip(`addr add ${address}/${bits} dev lo${atOnce}`);
    ip(`route add default dev up0 src ${address}`);
    writeFileSync(FORWARDING[family], '1');
    setRules(egressRules(variant, family, egress), run);
    for (const port of [controlPlane, dns]) await give(await listen(address, port), address, port, send);
    await give(await listen(ANY[family], egress), ANY[family], egress, send);
  }
}

async function setUpPod(
  { addresses, hbone, mounts, variant }: Extract<SetupPlan, { kind: 'pod' }>,
  run: RunProgram,
  send: (message: SetupMessage, handle?: unknown) => Promise<void>,
): Promise<void> {
  const found = originalDestinations();
  if ('reason' in found) throw new Error(found.reason);
  const ip = ipCommand(run);
  const { v4, v6 } = addresses;
  if (v6 !== undefined) useAddressesAtOnce('eth0');
  ip('link set lo up');
  ip('link set eth0 up');
  for (const [family, { application, sidecar }] of pairsOf(addresses)) {
    const { switch: gateway, bits, atOnce } = NETWORK[family];
    ip(`addr add ${application}/${bits} dev eth0${atOnce}`);
    ip(`addr add ${sidecar}/${bits} dev eth0${atOnce}`);
    ip(`route add ${gateway} dev eth0 src ${application}`);
    ip(`route add default via ${gateway} dev eth0 src ${application}`);
  }
  for (const [source, target] of mounts) {
    const { status, stderr } = run('mount', ['--bind', source, target]);
    if (status !== 0) throw new Error(`mount ${target}: ${stderr.trim()}`);
  }
  const config = parseInterceptionOptions({
    dnsCapture: true,
    ipv6: v6 !== undefined,
    proxySource: { v4: v4.sidecar, ...(v6 === undefined ? {} : { v6: v6.sidecar }) },
    // Where the sidecar gets its configuration from, which it asks from any address.
    excludeOutboundIpRanges: pairsOf(addresses)
      .map(([family]) => `${NETWORK[family].switch}/${NETWORK[family].bits}`)
      .join(),
  });
  runPlan(interceptionPlan(config, backendOf(variant as RulesVariant)), variant as RulesVariant, run);
  const servers = {
    outbound: {} as Partial<Record<Family, Server>>,
    inbound: {} as Partial<Record<Family, Server>>,
    dns: {} as Partial<Record<Family, Server>>,
  };
  const { outbound, inbound, dns, tunnels } = SIDECAR_PORTS;
  for (const [family, { sidecar }] of pairsOf(addresses)) {
    setRules(loopbackRules(variant, family, sidecar), run);
    servers.outbound[family] = await listen(ANY[family], outbound);
    servers.inbound[family] = await listen(ANY[family], inbound);
    servers.dns[family] = await listen(NETWORK[family].machineLoopback, dns);
  }
  const findings = await selfTest({ addresses, servers, find: found.find, timeoutMs: TEST_TIMEOUT_MS });
  if (findings.length > 0)
    throw new Error(`what a program in it does would not all be intercepted: ${findings.join('; ')}`);
  for (const [family] of pairsOf(addresses)) {
    for (const [server, host, port] of [
      [servers.outbound[family], ANY[family], outbound],
      [servers.inbound[family], ANY[family], inbound],
      [servers.dns[family], NETWORK[family].machineLoopback, dns],
    ] as const) {
      if (server !== undefined) await give(server, host, port, send);
    }
    if (hbone) await give(await listen(ANY[family], tunnels), ANY[family], tunnels, send);
  }
}

/** Those that the kernel gives a link, too, without asking around first whether somebody else has them. */
function useAddressesAtOnce(link: string): void {
  writeFileSync(`/proc/sys/net/ipv6/conf/${link}/accept_dad`, '0');
}

/** `::` is IPv6 alone: the other family has a socket of its own. */
function listen(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host, ipv6Only: host === '::' }, () => resolve(server));
  });
}

/** The bare socket: as a server it would be accepted from at the other end. */
function give(
  server: Server,
  host: string,
  port: number,
  send: (message: SetupMessage, handle?: unknown) => Promise<void>,
): Promise<void> {
  return send({ kind: 'socket', host, port }, (server as Server & { readonly _handle: unknown })._handle);
}

function setRules({ program, args, input }: RulesCommand, run: RunProgram): void {
  const { status, stderr } = run(program, args, input);
  if (status !== 0) throw new Error(`${program}: ${stderr.trim()}`);
}

function ipCommand(run: RunProgram): (words: string) => void {
  return (words) => {
    const { status, stderr } = run('ip', [...(words.includes('::') ? ['-6'] : []), ...words.split(' ')]);
    if (status !== 0) throw new Error(`ip ${words}: ${stderr.trim()}`);
  };
}

/** The lines of nsswitch.conf, hosts by DNS alone: other ways lead past the sidecar, to services of the machine. */
export function nameServiceSwitch(file = '/etc/nsswitch.conf'): string | undefined {
  try {
    return readFileSync(file, 'utf8').replace(/^hosts:.*$/m, 'hosts: files dns');
  } catch {
    return undefined;
  }
}
