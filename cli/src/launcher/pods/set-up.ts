import { createSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
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
import { SIDECAR_PORTS, SWITCH_ADDRESS, SWITCH_PORTS, type PodAddresses } from './pod-addresses.js';
import {
  egressRules,
  loopbackRules,
  type RulesCommand,
  type SetupMessage,
  type SetupPlan,
} from './setup-plan.js';

/** How long each step of the self-test may take. */
const TEST_TIMEOUT_MS = 3_000;
/** Addresses that nobody has: one for TCP, and one for DNS. */
const NOWHERE = { host: '240.240.255.254', port: 80 } as const;
const NO_SERVER = { host: '203.0.113.53', port: 53 } as const;

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
    if (plan.kind === 'switch') await setUpSwitch(plan.variant, run, send);
    else await setUpPod(plan, run, send);
    await send({ kind: 'done' });
  } catch (cause) {
    await send({ kind: 'failed', reason: describeError(cause) });
  }
}

async function setUpSwitch(
  variant: string,
  run: RunProgram,
  send: (message: SetupMessage, handle?: unknown) => Promise<void>,
): Promise<void> {
  const ip = ipCommand(run);
  ip('link set lo up');
  ip(`addr add ${SWITCH_ADDRESS}/32 dev lo`);
  // A route to everywhere, so that connections of processes here get as far as the rules.
  ip('link add up0 type veth peer name up1');
  ip('link set up0 up');
  ip('link set up1 up');
  ip(`route add default dev up0 src ${SWITCH_ADDRESS}`);
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  setRules(egressRules(variant, SWITCH_PORTS.egress), run);
  for (const port of [SWITCH_PORTS.controlPlane, SWITCH_PORTS.dns])
    await give(await listen(SWITCH_ADDRESS, port), SWITCH_ADDRESS, port, send);
  await give(await listen('0.0.0.0', SWITCH_PORTS.egress), '0.0.0.0', SWITCH_PORTS.egress, send);
}

async function setUpPod(
  { addresses, hbone, mounts, variant }: Extract<SetupPlan, { kind: 'pod' }>,
  run: RunProgram,
  send: (message: SetupMessage, handle?: unknown) => Promise<void>,
): Promise<void> {
  const ip = ipCommand(run);
  ip('link set lo up');
  ip('link set eth0 up');
  ip(`addr add ${addresses.application}/32 dev eth0`);
  ip(`addr add ${addresses.sidecar}/32 dev eth0`);
  ip(`route add ${SWITCH_ADDRESS} dev eth0 scope link src ${addresses.application}`);
  ip(`route add default via ${SWITCH_ADDRESS} dev eth0 src ${addresses.application}`);
  for (const [source, target] of mounts) {
    const { status, stderr } = run('mount', ['--bind', source, target]);
    if (status !== 0) throw new Error(`mount ${target}: ${stderr.trim()}`);
  }
  const config = parseInterceptionOptions({
    dnsCapture: true,
    ipv6: false,
    proxySource: { v4: addresses.sidecar },
    // Where the sidecar gets its configuration from, which it asks from any address.
    excludeOutboundIpRanges: `${SWITCH_ADDRESS}/32`,
  });
  runPlan(interceptionPlan(config, backendOf(variant as RulesVariant)), variant as RulesVariant, run);
  setRules(loopbackRules(variant, addresses.sidecar), run);
  const { outbound, inbound, dns, tunnels } = SIDECAR_PORTS;
  const servers = { outbound: await listen('0.0.0.0', outbound), inbound: await listen('0.0.0.0', inbound) };
  await selfTest(addresses, servers);
  await give(servers.outbound, '0.0.0.0', outbound, send);
  await give(servers.inbound, '0.0.0.0', inbound, send);
  if (hbone) await give(await listen('0.0.0.0', tunnels), '0.0.0.0', tunnels, send);
  await give(await listen('127.0.0.1', dns), '127.0.0.1', dns, send);
  const v6 = await listen('::1', dns).catch(() => undefined);
  if (v6 !== undefined) await give(v6, '::1', dns, send);
}

/**
 * Proves that connections of the application, its DNS questions, and connections to it come to the sidecar, and that the sidecar's
 * own do not. Errors: which of them does not hold.
 */
async function selfTest(
  addresses: PodAddresses,
  servers: { readonly outbound: Server; readonly inbound: Server },
): Promise<void> {
  const found = originalDestinations();
  if ('reason' in found) throw new Error(found.reason);
  const arrives = async (
    server: Server,
    what: string,
    to: { readonly host: string; readonly port: number },
    localAddress?: string,
  ): Promise<void> => {
    const accepted = within(what, once<Socket>(server, 'connection'));
    const client = connect({ ...to, ...(localAddress === undefined ? {} : { localAddress }) });
    client.on('error', () => undefined);
    const socket = await accepted;
    const destination = found.find(socket);
    socket.destroy();
    client.destroy();
    if (destination?.host !== to.host || destination.port !== to.port)
      throw new Error(`self-test: ${what} came, but not as going to ${to.host}:${to.port}`);
  };
  await arrives(servers.outbound, 'a connection of the application', NOWHERE);
  const own = { host: addresses.application, port: NOWHERE.port };
  await arrives(servers.inbound, 'a connection to the application', own, addresses.sidecar);

  const dns = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    dns.once('error', reject);
    dns.bind(SIDECAR_PORTS.dns, '127.0.0.1', resolve);
  });
  const asked = within('a DNS question of the application', once<Buffer>(dns, 'message'));
  const client = createSocket('udp4');
  client.send('?', NO_SERVER.port, NO_SERVER.host);
  await asked.finally(() => (dns.close(), client.close()));

  const passes = connect({
    host: SWITCH_ADDRESS,
    port: SWITCH_PORTS.controlPlane,
    localAddress: addresses.sidecar,
  });
  await within('a connection of the sidecar', once(passes, 'connect')).finally(() => passes.destroy());
}

/** Errors: `what` did not come in time. */
function within<T>(what: string, event: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`self-test: ${what} did not come through within ${TEST_TIMEOUT_MS / 1000} s`)),
      TEST_TIMEOUT_MS,
    );
    event.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function once<T>(
  emitter: { once(event: string, listener: (value: T) => void): unknown },
  event: string,
): Promise<T> {
  return new Promise((resolve, reject) => {
    emitter.once(event, resolve);
    emitter.once('error', reject as (value: T) => void);
  });
}

function listen(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
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
    const { status, stderr } = run('ip', words.split(' '));
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
