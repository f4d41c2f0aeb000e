import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError, type Clock } from '@heddle/common';
import { chooseVariant, systemPrograms, whyNot, type RulesVariant, type RunProgram } from '@heddle/injector';
import { originalDestinations } from '@heddle/supervisor/original-destination';
import { EgressRelay } from './egress-relay.js';
import { listeningPorts } from './listening-ports.js';
import { NamespaceHolder, enterCommand, enterCommandIn, type Namespaces } from './namespace-holder.js';
import {
  FAMILIES,
  NAME_SERVER_ADDRESS,
  NETWORK,
  PodAddressPool,
  SWITCH_PORTS,
  pairsOf,
  type Family,
  type PodAddresses,
} from './pod-addresses.js';
import { nameServiceSwitch } from './set-up.js';
import type { SetupMessage, SetupPlan } from './setup-plan.js';

export interface PodNetworkOptions {
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For files that pods see in place of the machine's. */
  readonly folder: string;
  /** Where heddled is, on this machine's loopback. */
  readonly controlPlanePort: number;
  /** Whether sidecars take tunnels. */
  readonly hbone: boolean;
  /** Who answers DNS over TCP for this machine; undefined: nobody. */
  readonly nameServer: { readonly host: string; readonly port: number } | undefined;
}

/** A listening socket inside, with its address. */
export interface OpenedSocket {
  readonly host: string;
  readonly port: number;
  readonly handle: object;
}

/** Network and mount namespaces of one workload instance, in which everything it does with the network goes through its sidecar. */
export interface Pod {
  readonly addresses: PodAddresses;
  /** The sockets of its sidecar. */
  readonly sockets: readonly OpenedSocket[];
  /** The words before a command that is to run in it, in a folder. */
  enter(folder: string): readonly string[];
  /** The same for a program that has no power over the pod's network. */
  enterAsUser(folder: string): readonly string[];
  /** On which ports something listens. */
  listeningPorts(): ReadonlySet<number>;
  close(): void;
}

const SETUP_TIMEOUT_MS = 20_000;
const NAME_LENGTH = 15;

/**
 * A network of pods on this machine, as they are on a node of Kubernetes: each has its own addresses and its own rules of
 * interception, and a switch is between them. Nothing outside of it is changed, so that nothing is left behind.
 */
export class PodNetwork {
  /** How it is made, for people. */
  readonly how: string;
  readonly #options: PodNetworkOptions;
  readonly #switch: NamespaceHolder;
  readonly #variant: RulesVariant;
  readonly #families: readonly Family[];
  readonly #addresses: PodAddressPool;
  readonly #relay = new EgressRelay();
  readonly #mounts: readonly (readonly [string, string])[];
  readonly #pods = new Set<Pod>();
  /** The one by which it was tried, for whoever comes first. */
  #spare: Pod | undefined;

  private constructor(
    options: PodNetworkOptions,
    holder: NamespaceHolder,
    variant: RulesVariant,
    families: readonly Family[],
  ) {
    this.#options = options;
    this.#switch = holder;
    this.#variant = variant;
    this.#families = families;
    this.#addresses = new PodAddressPool(families);
    const shown = families.includes('v6') ? 'IPv4 and IPv6' : 'IPv4 alone';
    this.how = `${variant}, ${shown}, in network namespaces${holder.inUserNamespace ? ' of a user namespace' : ''}`;
    this.#mounts = writeMounts(options.folder);
  }

  /** Makes one, and tries it with a pod. Resolves with why it cannot be had on this machine, where it cannot. */
  static async start(options: PodNetworkOptions): Promise<PodNetwork | string> {
    if (process.platform !== 'linux') return `${process.platform} has no network namespaces`;
    const found = originalDestinations();
    if ('reason' in found) return found.reason;
    const reasons: string[] = [];
    // As root without another user namespace, which some machines forbid; containers often have a root that may not do so.
    for (const withUserNamespace of process.getuid?.() === 0 ? [false, true] : [true]) {
      const network = await PodNetwork.#tryWith(options, withUserNamespace);
      if (typeof network !== 'string') return network;
      reasons.push(network);
    }
    return [...new Set(reasons)].join('; ');
  }

  static async #tryWith(
    options: PodNetworkOptions,
    withUserNamespace: boolean,
  ): Promise<PodNetwork | string> {
    const { clock, environment } = options;
    const holder = await NamespaceHolder.start({ withUserNamespace }, clock, environment);
    if (typeof holder === 'string') return holder;
    let network: PodNetwork | undefined;
    try {
      const run = systemPrograms(environment);
      const [nsenter = '', ...words] = enterCommand(holder);
      const inside: RunProgram = (program, args, input) => run(nsenter, [...words, program, ...args], input);
      // Nobody else has rules in there, and nft needs one command for what takes the others ten.
      const variant = whyNot('nftables', inside) === undefined ? 'nftables' : chooseVariant(inside);
      const hasIpv6 = inside('ip', ['-6', 'addr', 'add', '::6/128', 'dev', 'lo']).status === 0;
      network = new PodNetwork(options, holder, variant, hasIpv6 ? FAMILIES : ['v4']);
      await network.#start();
      network.#spare = await network.createPod();
      return network;
    } catch (cause) {
      network?.close();
      holder.close();
      return describeError(cause);
    }
  }

  /** Where processes run that belong to no pod, such as gateways. */
  enterSwitch(folder: string): readonly string[] {
    return enterCommandIn(this.#switch, folder);
  }

  /** Makes a pod, and proves that what it does with the network is intercepted. Errors: why that is not so. */
  async createPod(): Promise<Pod> {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare !== undefined) return spare;
    const { clock, environment } = this.#options;
    const { number, addresses } = this.#addresses.take();
    let holder: NamespaceHolder | undefined;
    try {
      const started = await NamespaceHolder.start({ parent: this.#switch }, clock, environment);
      if (typeof started === 'string') throw new Error(started);
      holder = started;
      this.#connect(holder, number, addresses);
      const sockets = await this.#setUp(holder, {
        kind: 'pod',
        variant: this.#variant,
        addresses,
        hbone: this.#options.hbone,
        mounts: this.#mounts,
      });
      const pod = this.#podOf(holder, number, addresses, sockets);
      this.#pods.add(pod);
      return pod;
    } catch (cause) {
      holder?.close();
      this.#addresses.release(number);
      throw cause;
    }
  }

  close(): void {
    for (const pod of this.#pods) pod.close();
    this.#relay.close();
    this.#switch.close();
  }

  #podOf(
    holder: NamespaceHolder,
    number: number,
    addresses: PodAddresses,
    sockets: readonly OpenedSocket[],
  ): Pod {
    const asUser = holder.inUserNamespace ? ownUserCommand() : [];
    const pod: Pod = {
      addresses,
      sockets,
      enter: (folder) => enterCommandIn(holder, folder),
      enterAsUser: (folder) => [...enterCommandIn(holder, folder), ...asUser],
      listeningPorts: () => listeningPorts(holder.pid),
      close: () => {
        if (!this.#pods.delete(pod)) return;
        holder.close();
        this.#addresses.release(number);
      },
    };
    return pod;
  }

  async #start(): Promise<void> {
    const { controlPlanePort, nameServer } = this.#options;
    for (const { port, handle } of await this.#setUp(this.#switch, {
      kind: 'switch',
      variant: this.#variant,
      families: this.#families,
    })) {
      if (port === SWITCH_PORTS.controlPlane) this.#relay.forward(handle, '127.0.0.1', controlPlanePort);
      else if (port === SWITCH_PORTS.egress) this.#relay.forwardAnywhere(handle);
      else if (nameServer !== undefined) this.#relay.forward(handle, nameServer.host, nameServer.port);
    }
  }

  /** A cable between the switch and a pod. */
  #connect(holder: NamespaceHolder, number: number, addresses: PodAddresses): void {
    const link = `pod${number}`.slice(0, NAME_LENGTH);
    const commands = [
      `ip link add ${link} type veth peer name eth0 netns ${holder.pid}`,
      ...pairsOf(addresses).map(
        // What is redirected goes to the address of the link on which it came.
        ([family]) => {
          const { switch: address, bits, atOnce } = NETWORK[family];
          return `ip addr add ${address}/${bits} dev ${link}${atOnce}`;
        },
      ),
      `ip link set ${link} up`,
      ...pairsOf(addresses).flatMap(([, { application, sidecar }]) =>
        [application, sidecar].map((address) => `ip route add ${address} dev ${link}`),
      ),
    ].join(' && ');
    const [nsenter = '', ...words] = enterCommand(this.#switch);
    const { status, stderr } = systemPrograms(this.#options.environment)(nsenter, [
      ...words,
      'sh',
      '-c',
      commands,
    ]);
    if (status !== 0) throw new Error(`a pod cannot be connected: ${stderr.trim()}`);
  }

  /** Runs the program that sets namespaces up from inside. Errors: what did not work there. */
  #setUp(namespaces: Namespaces, plan: SetupPlan): Promise<readonly OpenedSocket[]> {
    const { clock, environment } = this.#options;
    const program = fileURLToPath(new URL('./setup/main.js', import.meta.url));
    const [command = '', ...args] = [
      ...enterCommand(namespaces),
      process.execPath,
      program,
      JSON.stringify(plan),
    ];
    const child: ChildProcess = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: environment,
    });
    return new Promise((resolve, reject) => {
      const sockets: OpenedSocket[] = [];
      let said = '';
      const fail = (reason: string): void => {
        timer.cancel();
        child.kill('SIGKILL');
        reject(new Error(reason));
      };
      const timer = clock.setTimer(SETUP_TIMEOUT_MS, () =>
        fail(`a network was not set up within ${SETUP_TIMEOUT_MS / 1000} s`),
      );
      child.stderr?.on('data', (chunk: Buffer) => (said = (said + String(chunk)).slice(-2_000)));
      child.on('message', (message, handle) => {
        const answer = message as SetupMessage;
        if (answer.kind === 'socket' && typeof handle === 'object') {
          sockets.push({ host: answer.host, port: answer.port, handle: handle as object });
        } else if (answer.kind === 'failed') fail(answer.reason);
        else if (answer.kind === 'done') {
          timer.cancel();
          resolve(sockets);
        }
      });
      child.once('error', (error) => fail(error.message));
      child.once('exit', (code) => fail(said.trim() || `the set-up of a network ended with ${String(code)}`));
    });
  }
}

/** Inside a user namespace the only user is called root; a further one gives programs back their own name, and takes all power. */
function ownUserCommand(): readonly string[] {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  return ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`];
}

/** Name resolution inside a pod: by DNS, which is led to the sidecar whoever is asked. */
function writeMounts(folder: string): readonly (readonly [string, string])[] {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const files: [string, string | undefined][] = [
    ['/etc/resolv.conf', `nameserver ${NAME_SERVER_ADDRESS}\noptions timeout:2 attempts:2\n`],
    ['/etc/nsswitch.conf', nameServiceSwitch()],
  ];
  return files.flatMap(([target, text]): [string, string][] => {
    if (text === undefined || !existsSync(target)) return [];
    const source = join(folder, target.replaceAll('/', '_').slice(1));
    writeFileSync(source, text, { mode: 0o644 });
    return [[source, target]];
  });
}
