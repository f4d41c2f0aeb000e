import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLogger, describeError, type Clock, type Random } from '@heddle/common';
import { proxyNodeFlags } from '@heddle/supervisor';
import {
  buildModel,
  createFileSource,
  type FileSource,
  type GatewayConfig,
  type MeshModel,
  type Workload,
} from '@heddle/control-plane';
import { ControlPlaneProcess, type RunningControlPlane, type XdsAuth } from './control-plane-process.js';
import { shortened } from './file-stem.js';
import { FreePorts } from './free-ports.js';
import { HeddledClient } from './heddled-client.js';
import { Instance, type MeshService } from './instance.js';
import type { LaunchEnvironment } from './launch-environment.js';
import type { LaunchEvent } from './launch-event.js';
import { LAUNCHED_IN, endLeftOvers } from './left-overs.js';
import { PodNetwork } from './pods/pod-network.js';
import { systemNameServer } from './pods/system-name-server.js';
import { waitUntil } from './readiness.js';
import { Sidecar, type SidecarPlace } from './sidecar.js';

/** `auto`: transparent where this machine allows it. */
export type Interception = 'auto' | 'explicit' | 'transparent';

export interface LauncherOptions {
  readonly folders: readonly string[];
  readonly stateFolder: string;
  readonly apiPort: number;
  /** How what applications do with the network comes to their sidecars. Default `explicit`. */
  readonly interception?: Interception;
  /** Whether sidecars reach each other through tunnels (HBONE). Default: no, as Istio's. */
  readonly hbone?: boolean;
  /** For proxies that were not launched here and connect in plain text. Default `required`. */
  readonly xdsAuth?: XdsAuth;
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly report: (event: LaunchEvent) => void;
}

/** How long a change may take to reach every proxy before the launcher goes on without it. */
const SETTLE_TIMEOUT_MS = 3_000;

/** Of a workload's name, which gets a number at its end. */
const MAX_NAME_LENGTH = 200;

interface LaunchedGateway {
  readonly sidecar: Sidecar;
  readonly name: string;
  readonly namespace: string;
  /** Real ports by the port that Gateways name. */
  readonly ports: Record<string, number>;
}

/** What a running mesh tells about itself, for the demo and for tests. */
export interface RunningMesh {
  readonly controlPlane: RunningControlPlane;
  /** Real ports by the port that Gateways name. */
  readonly gatewayPorts: Readonly<Record<string, number>>;
  readonly gatewayAdminPort: number;
}

/**
 * Runs a mesh on one machine: heddled, a gateway for each selector that Gateways name, and for every Workload its
 * instances with their sidecars. Follows the folders: a workload that is added, changed or removed is started, replaced
 * or stopped without a lost request.
 */
export class Launcher {
  readonly #options: LauncherOptions;
  readonly #ports: FreePorts;
  readonly #controlPlane: ControlPlaneProcess;
  readonly #instances = new Map<string, Instance[]>();
  readonly #gateways = new Map<string, LaunchedGateway>();
  readonly #counters = new Map<string, number>();
  /** By workload: the wait for new instances before the old ones may leave. */
  readonly #handovers = new Map<string, AbortController>();
  /** On their way out. */
  readonly #leaving = new Set<Instance>();
  readonly #retiring = new Set<Promise<void>>();
  #starting: Promise<RunningMesh> | undefined;
  #environment: LaunchEnvironment | undefined;
  #client: HeddledClient | undefined;
  #apiPort = 0;
  #pods: PodNetwork | undefined;
  #source: FileSource | undefined;
  #wanted: MeshModel | undefined;
  #reconciling: Promise<void> | undefined;
  #stopping = false;

  constructor(given: LauncherOptions) {
    const options = { ...given, environment: { ...given.environment, [LAUNCHED_IN]: given.stateFolder } };
    this.#options = options;
    this.#ports = new FreePorts(options.random);
    const { stateFolder } = options;
    this.#controlPlane = new ControlPlaneProcess({
      ...options,
      xdsAuth: options.xdsAuth ?? 'required',
      folders: [...options.folders, join(stateFolder, 'instances')],
      appliedFolder: join(stateFolder, 'applied'),
      logsFolder: join(stateFolder, 'logs'),
      ports: this.#ports,
    });
  }

  /** Everything that was launched and has not ended. */
  get instances(): readonly Instance[] {
    return [...this.#wantedInstances(), ...this.#leaving];
  }

  /** The words before a command that is to run where pods can be reached; undefined: there are none. */
  besidePods(folder: string): readonly string[] | undefined {
    return this.#pods?.enterSwitch(folder);
  }

  /** Of heddled, for the dashboard too; 0 before it listens. */
  get apiPort(): number {
    return this.#apiPort;
  }

  get controlPlanePid(): number | undefined {
    return this.#controlPlane.pid;
  }

  get gatewayPids(): readonly number[] {
    return [...this.#gateways.values()].flatMap(({ sidecar }) => sidecar.pid ?? []);
  }

  /** Resolves when everything was started; the events tell what became ready. Errors: heddled cannot start, or `stop` came. */
  start(): Promise<RunningMesh> {
    this.#starting = this.#start();
    return this.#starting;
  }

  async #start(): Promise<RunningMesh> {
    const { stateFolder, clock, random, environment, report } = this.#options;
    const folders = {
      bootstraps: join(stateFolder, 'bootstraps'),
      proxyState: join(stateFolder, 'proxies'),
      instances: join(stateFolder, 'instances'),
      logs: join(stateFolder, 'logs'),
      tokens: join(stateFolder, 'tokens'),
    };
    const leftOvers = endLeftOvers(stateFolder);
    if (leftOvers > 0)
      report({ kind: 'problem', text: `ended ${leftOvers} processes that an earlier run left behind` });
    // Instances of an earlier run are gone; what was applied and the last good configurations stay.
    for (const stale of [folders.instances, folders.tokens])
      await rm(stale, { recursive: true, force: true });
    for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
    await mkdir(join(stateFolder, 'applied'), { recursive: true, mode: 0o700 });

    const controlPlane = await this.#controlPlane.start();
    if (this.#stopping) throw new Error('stopped');
    const client = new HeddledClient(controlPlane.apiPort, controlPlane.token);
    this.#client = client;
    this.#apiPort = controlPlane.apiPort;
    this.#source = createFileSource({
      folders: this.#options.folders,
      log: createLogger({ component: 'launcher', level: 'error' }),
      clock,
      onChange: ({ resources }) => {
        this.#wanted = buildModel(resources).model;
        if (this.#environment !== undefined) this.#reconcile();
      },
    });
    await this.#source.ready;
    this.#pods = await this.#startPods(controlPlane);
    if (this.#stopping) throw new Error('stopped');
    this.#environment = {
      clock,
      random,
      ports: this.#ports,
      folders,
      proxy: {
        command: process.execPath,
        args: [
          ...proxyNodeFlags(environment),
          fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/data-plane'))),
        ],
      },
      environment,
      xdsTlsPort: controlPlane.xdsTlsPort,
      rootsFile: controlPlane.rootsFile,
      pods: this.#pods,
      hbone: this.#options.hbone === true,
      client,
      report,
    };
    this.#reconcile();
    while (this.#reconciling !== undefined) await this.#reconciling;
    const gateways = [...this.#gateways.values()];
    return {
      controlPlane,
      gatewayPorts: Object.assign({}, ...gateways.map(({ ports }) => ports)) as Record<string, number>,
      gatewayAdminPort: gateways[0]?.sidecar.adminPort ?? 0,
    };
  }

  /** Undefined in the explicit way. Errors: the transparent way was asked for, and this machine does not allow it. */
  async #startPods(controlPlane: RunningControlPlane): Promise<PodNetwork | undefined> {
    const { interception = 'explicit', clock, environment, stateFolder, report } = this.#options;
    if (interception === 'explicit') return undefined;
    const network = await PodNetwork.start({
      clock,
      environment,
      folder: join(stateFolder, 'pods'),
      controlPlanePort: controlPlane.xdsTlsPort,
      hbone: this.#options.hbone === true,
      nameServer: systemNameServer(),
    });
    if (typeof network !== 'string') {
      report({ kind: 'interception', way: 'transparent', how: network.how, reason: undefined });
      return network;
    }
    if (interception === 'transparent')
      throw new Error(`transparent interception is not possible on this machine: ${network}`);
    report({ kind: 'interception', way: 'explicit', how: '', reason: network });
    return undefined;
  }

  /** Resolves with true when every instance is up, and every proxy knows it. */
  untilReady(timeoutMs: number): Promise<boolean> {
    return waitUntil(
      async () => {
        const instances = this.#wantedInstances();
        if (instances.some((instance) => !instance.isReady)) return false;
        const proxies = instances.length + this.#gateways.size;
        return this.#isSettled((known) => instances.every(({ key }) => known.has(key)), proxies);
      },
      this.#options.clock,
      timeoutMs,
    );
  }

  #wantedInstances(): readonly Instance[] {
    return [...this.#instances.values()].flat();
  }

  /** Whether heddled has seen what `seen` asks of the instances it knows, and every proxy has what follows from it. */
  async #isSettled(seen: (known: ReadonlySet<string>) => boolean, proxies = 0): Promise<boolean> {
    if (this.#client === undefined) return false;
    try {
      if (!seen(await this.#client.instances())) return false;
      const { converged, proxies: connected } = await this.#client.convergence();
      return converged && connected >= proxies;
    } catch {
      return false;
    }
  }

  /** Ends everything, applications before sidecars before heddled. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#source?.close();
    for (const handover of this.#handovers.values()) handover.abort();
    // What is still starting heddled must not go on after it was ended.
    if (this.#client === undefined) await this.#controlPlane.stop();
    await this.#starting?.catch(() => undefined);
    while (this.#reconciling !== undefined) await this.#reconciling;
    await Promise.all(this.#retiring);
    await Promise.all(this.instances.map((instance) => instance.stop()));
    await Promise.all([...this.#gateways.values()].map(({ sidecar }) => sidecar.stop()));
    this.#pods?.close();
    await this.#controlPlane.stop();
    this.#ports.close();
  }

  /** Ends everything at once, whatever is lost. */
  kill(): void {
    this.#stopping = true;
    this.#source?.close();
    for (const instance of this.instances) instance.kill();
    for (const { sidecar } of this.#gateways.values()) sidecar.kill();
    this.#pods?.close();
    this.#controlPlane.kill();
    this.#ports.close();
  }

  /** Works towards the newest model; changes that come meanwhile are taken up after. */
  #reconcile(): void {
    if (this.#reconciling !== undefined) return;
    this.#reconciling = (async () => {
      while (this.#wanted !== undefined && !this.#stopping) {
        const model = this.#wanted;
        this.#wanted = undefined;
        await this.#follow(model).catch((cause: unknown) =>
          this.#options.report({ kind: 'problem', text: describeError(cause) }),
        );
      }
      this.#reconciling = undefined;
    })();
  }

  async #follow(model: MeshModel): Promise<void> {
    await this.#followGateways(model);
    const services = servicesOf(model);
    const leaving: Instance[] = [];
    for (const [key, instances] of this.#instances) {
      const workload = model.workloads.get(key);
      if (workload !== undefined && workload.address === undefined) continue;
      this.#handovers.get(key)?.abort();
      leaving.push(...instances);
      this.#instances.delete(key);
    }
    for (const [key, workload] of model.workloads) {
      if (workload.address !== undefined) continue;
      if (this.#stopping) return;
      const current = this.#instances.get(key) ?? [];
      const kept = current.filter((instance) => isSameLaunch(instance.workload, workload));
      const old = current.filter((instance) => !kept.includes(instance));
      leaving.push(...kept.splice(workload.replicas));
      // Known before it runs, so that whatever ends everything finds it.
      const instances = [...kept, ...old];
      this.#instances.set(key, instances);
      while (kept.length < workload.replicas && !this.#stopping) {
        const instance = this.#createInstance(key, workload);
        kept.push(instance);
        instances.push(instance);
        await instance.start(services.get(workload.namespace) ?? []);
      }
      this.#handOver(key, kept, old);
    }
    this.#retire(leaving);
  }

  #createInstance(key: string, workload: Workload): Instance {
    const number = this.#counters.get(key) ?? 0;
    this.#counters.set(key, number + 1);
    // A WorkloadEntry's name has at most 253 characters, too.
    const name = `${shortened(workload.name, MAX_NAME_LENGTH)}-${number}`;
    return new Instance(name, workload, this.#launchEnvironment());
  }

  /** The old instances of a workload leave when all that replace them are up and every proxy knows them; else they stay. */
  #handOver(key: string, fresh: readonly Instance[], old: readonly Instance[]): void {
    this.#handovers.get(key)?.abort();
    this.#handovers.delete(key);
    if (old.length === 0) return;
    const superseded = new AbortController();
    this.#handovers.set(key, superseded);
    void waitUntil(
      async () =>
        fresh.every((instance) => instance.isReady) &&
        this.#isSettled((known) => fresh.every((instance) => known.has(instance.key))),
      this.#options.clock,
      Infinity,
      superseded.signal,
    ).then((isUp) => {
      if (!isUp || superseded.signal.aborted) return;
      this.#handovers.delete(key);
      this.#instances.set(key, [...fresh]);
      this.#retire(old);
    });
  }

  /** Out of the endpoints of every proxy first, then stopped: nobody calls what is about to end. */
  #retire(leaving: readonly Instance[]): void {
    if (leaving.length === 0) return;
    for (const instance of leaving) this.#leaving.add(instance);
    const retired = (async () => {
      await Promise.all(leaving.map((instance) => instance.withdraw()));
      if (!this.#stopping)
        await waitUntil(
          () => this.#isSettled((known) => !leaving.some(({ key }) => known.has(key))),
          this.#options.clock,
          SETTLE_TIMEOUT_MS,
        );
      await Promise.all(leaving.map((instance) => instance.stop()));
    })().finally(() => {
      for (const instance of leaving) this.#leaving.delete(instance);
      this.#retiring.delete(retired);
    });
    this.#retiring.add(retired);
  }

  async #followGateways(model: MeshModel): Promise<void> {
    const wanted = new Map<string, GatewayConfig[]>();
    for (const gateway of model.gateways.values()) {
      const key = `${gateway.namespace}/${JSON.stringify(gateway.selector)}`;
      wanted.set(key, [...(wanted.get(key) ?? []), gateway]);
    }
    for (const [key, { sidecar, name, ports }] of this.#gateways) {
      if (wanted.has(key)) continue;
      this.#gateways.delete(key);
      const stopped = sidecar.stop().finally(() => {
        this.#retiring.delete(stopped);
        for (const port of Object.values(ports)) this.#ports.release(port);
        this.#options.report({ kind: 'gateway-stopped', name });
      });
      this.#retiring.add(stopped);
    }
    for (const [key, gateways] of wanted) {
      if (this.#stopping) return;
      const ports = [...new Set(gateways.flatMap(({ servers }) => servers.map(({ port }) => port)))];
      const running = this.#gateways.get(key);
      if (running === undefined) await this.#launchGateway(key, gateways[0] as GatewayConfig, ports);
      else await this.#addGatewayPorts(running, ports);
    }
  }

  async #launchGateway(key: string, gateway: GatewayConfig, wanted: readonly number[]): Promise<void> {
    const ports: Record<string, number> = {};
    for (const port of wanted) ports[String(port)] = await this.#ports.prefer(port);
    const { namespace, selector } = gateway;
    const base = Object.values(selector)[0] ?? gateway.name;
    const taken = new Set([...this.#gateways.values()].map((other) => `${other.namespace}/${other.name}`));
    let name = base;
    for (let number = 2; taken.has(`${namespace}/${name}`); number++) name = `${base}-${number}`;
    const sidecar = new Sidecar(
      {
        role: 'router',
        name,
        namespace,
        workloadName: name,
        labels: selector,
        serviceAccount: name,
        explicit: {
          bindAddress: '127.0.0.1',
          inbound: [],
          outbound: {},
          httpProxy: 0,
          gatewayPorts: { ...ports },
        },
      },
      this.#launchEnvironment(),
      () => this.#options.report({ kind: 'gateway-ready', name, ports }),
      () => undefined,
      this.#gatewayPlace(),
    );
    this.#gateways.set(key, { sidecar, name, namespace, ports });
    await sidecar.start();
  }

  /** Among the pods, whom it connects to; its own sockets are on this machine, where its clients are. */
  #gatewayPlace(): SidecarPlace | undefined {
    const pods = this.#pods;
    return pods === undefined ? undefined : { enter: (folder) => pods.enterSwitch(folder), sockets: [] };
  }

  /** A port that a running gateway has no other number for is served as written; there is no second choice then. */
  async #addGatewayPorts(running: LaunchedGateway, wanted: readonly number[]): Promise<void> {
    for (const port of wanted) {
      if (running.ports[String(port)] !== undefined) continue;
      running.ports[String(port)] = port;
      if (await this.#ports.claim(port)) {
        this.#options.report({ kind: 'gateway-port-added', name: running.name, port });
      } else {
        const text = `gateway ${running.name} cannot serve port ${port}: another program has it. Choose another port, or start again: a port that is taken at the start gets a substitute.`;
        this.#options.report({ kind: 'problem', text });
      }
    }
  }

  #launchEnvironment(): LaunchEnvironment {
    if (this.#environment === undefined) throw new Error('the launcher was not started');
    return this.#environment;
  }
}

/** What an application of each namespace can reach: its own namespace's services first, for their names are the short ones. */
function servicesOf(model: MeshModel): ReadonlyMap<string, readonly MeshService[]> {
  const all = [...model.services.values()].map(({ name, namespace, hostname, ports }) => ({
    namespace,
    service: {
      name,
      hostname,
      ports: ports.map((port) => ({
        name: port.name,
        number: port.number,
        isHttp: port.protocol === 'http' || port.protocol === 'http2' || port.protocol === 'grpc',
      })),
    },
  }));
  const namespaces = new Set([...model.workloads.values()].map(({ namespace }) => namespace));
  return new Map(
    [...namespaces].map((own) => [
      own,
      [
        ...all.filter(({ namespace }) => namespace === own),
        ...all.filter(({ namespace }) => namespace !== own),
      ].map(({ service }) => service),
    ]),
  );
}

/** Whether a running instance is what the workload asks for: neither the number of replicas nor the file's name counts. */
function isSameLaunch(running: Workload, wanted: Workload): boolean {
  const launchOf = (workload: Workload): string =>
    JSON.stringify({ ...workload, replicas: 0, file: dirname(resolve(workload.file)) });
  return launchOf(running) === launchOf(wanted);
}
