import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLogger, describeError, type Clock, type Random } from '@heddle/common';
import {
  buildModel,
  createFileSource,
  type FileSource,
  type MeshModel,
  type Workload,
} from '@heddle/control-plane';
import { ControlPlaneProcess, type RunningControlPlane } from './control-plane-process.js';
import { FreePorts } from './free-ports.js';
import { HeddledClient } from './heddled-client.js';
import { Instance, type MeshService } from './instance.js';
import type { LaunchEnvironment } from './launch-environment.js';
import type { LaunchEvent } from './launch-event.js';
import { waitUntil } from './readiness.js';
import { Sidecar } from './sidecar.js';

export interface LauncherOptions {
  readonly folders: readonly string[];
  readonly stateFolder: string;
  readonly apiPort: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly report: (event: LaunchEvent) => void;
}

/** How long a change may take to reach every proxy before the launcher goes on without it. */
const SETTLE_TIMEOUT_MS = 3_000;

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
  readonly #ports = new FreePorts();
  readonly #controlPlane: ControlPlaneProcess;
  readonly #instances = new Map<string, Instance[]>();
  readonly #gateways = new Map<
    string,
    { readonly sidecar: Sidecar; readonly ports: Record<string, number> }
  >();
  readonly #counters = new Map<string, number>();
  #environment: LaunchEnvironment | undefined;
  #client: HeddledClient | undefined;
  #source: FileSource | undefined;
  #wanted: MeshModel | undefined;
  #reconciling: Promise<void> | undefined;
  #stopping = false;

  constructor(options: LauncherOptions) {
    this.#options = options;
    const { stateFolder } = options;
    this.#controlPlane = new ControlPlaneProcess({
      ...options,
      folders: [...options.folders, join(stateFolder, 'instances')],
      appliedFolder: join(stateFolder, 'applied'),
      logsFolder: join(stateFolder, 'logs'),
      ports: this.#ports,
    });
  }

  get instances(): readonly Instance[] {
    return [...this.#instances.values()].flat();
  }

  get controlPlanePid(): number | undefined {
    return this.#controlPlane.pid;
  }

  /** Resolves when everything was started; the events tell what became ready. Errors: heddled cannot start. */
  async start(): Promise<RunningMesh> {
    const { stateFolder, clock, random, environment, report } = this.#options;
    const folders = {
      bootstraps: join(stateFolder, 'bootstraps'),
      proxyState: join(stateFolder, 'proxies'),
      instances: join(stateFolder, 'instances'),
      logs: join(stateFolder, 'logs'),
    };
    // Instances of an earlier run are gone; what was applied and the last good configurations stay.
    await rm(folders.instances, { recursive: true, force: true });
    for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
    await mkdir(join(stateFolder, 'applied'), { recursive: true, mode: 0o700 });

    const controlPlane = await this.#controlPlane.start();
    this.#client = new HeddledClient(controlPlane.apiPort);
    this.#environment = {
      clock,
      random,
      ports: this.#ports,
      folders,
      proxy: {
        command: process.execPath,
        args: [fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/data-plane')))],
      },
      environment,
      xdsPort: controlPlane.xdsPort,
      report,
    };
    this.#source = createFileSource({
      folders: this.#options.folders,
      log: createLogger({ component: 'launcher', level: 'error' }),
      clock,
      onChange: ({ resources }) => {
        this.#wanted = buildModel(resources).model;
        this.#reconcile();
      },
    });
    await this.#source.ready;
    while (this.#reconciling !== undefined) await this.#reconciling;
    const gateways = [...this.#gateways.values()];
    return {
      controlPlane,
      gatewayPorts: Object.assign({}, ...gateways.map(({ ports }) => ports)) as Record<string, number>,
      gatewayAdminPort: gateways[0]?.sidecar.adminPort ?? 0,
    };
  }

  /** Resolves with true when every instance is up, and every proxy knows it. */
  untilReady(timeoutMs: number): Promise<boolean> {
    return waitUntil(
      async () => {
        if (this.instances.some((instance) => !instance.isReady)) return false;
        const proxies = this.instances.length + this.#gateways.size;
        return this.#isSettled((known) => this.instances.every(({ key }) => known.has(key)), proxies);
      },
      this.#options.clock,
      timeoutMs,
    );
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
    while (this.#reconciling !== undefined) await this.#reconciling;
    await Promise.all(this.instances.map((instance) => instance.stop()));
    await Promise.all([...this.#gateways.values()].map(({ sidecar }) => sidecar.stop()));
    await this.#controlPlane.stop();
  }

  /** Ends everything at once, whatever is lost. */
  kill(): void {
    this.#stopping = true;
    this.#source?.close();
    for (const instance of this.instances) instance.kill();
    for (const { sidecar } of this.#gateways.values()) sidecar.kill();
    this.#controlPlane.kill();
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
      if (model.workloads.has(key)) continue;
      leaving.push(...instances);
      this.#instances.delete(key);
    }
    const replaced: { readonly old: Instance[]; readonly fresh: Instance[] }[] = [];
    for (const [key, workload] of model.workloads) {
      if (workload.address !== undefined) continue;
      const current = this.#instances.get(key) ?? [];
      const same = current.filter((instance) => isSameLaunch(instance.workload, workload));
      const old = current.filter((instance) => !same.includes(instance));
      leaving.push(...same.splice(workload.replicas));
      const fresh: Instance[] = [];
      while (same.length + fresh.length < workload.replicas)
        fresh.push(await this.#launch(key, workload, services));
      this.#instances.set(key, [...same, ...fresh]);
      if (old.length > 0) replaced.push({ old, fresh });
    }
    for (const { old, fresh } of replaced) {
      await waitUntil(async () => fresh.every((instance) => instance.isReady), this.#options.clock, 30_000);
      leaving.push(...old);
    }
    if (leaving.length > 0) await this.#retire(leaving);
  }

  async #launch(key: string, workload: Workload, services: readonly MeshService[]): Promise<Instance> {
    const number = this.#counters.get(key) ?? 0;
    this.#counters.set(key, number + 1);
    const instance = new Instance(`${workload.name}-${number}`, workload, this.#launchEnvironment());
    await instance.start(services);
    return instance;
  }

  /** Out of the endpoints of every proxy first, then stopped: nobody calls what is about to end. */
  async #retire(leaving: readonly Instance[]): Promise<void> {
    await Promise.all(leaving.map((instance) => instance.withdraw()));
    await waitUntil(
      () => this.#isSettled((known) => !leaving.some(({ key }) => known.has(key))),
      this.#options.clock,
      SETTLE_TIMEOUT_MS,
    );
    await Promise.all(leaving.map((instance) => instance.stop()));
  }

  async #followGateways(model: MeshModel): Promise<void> {
    for (const gateway of model.gateways.values()) {
      const key = `${gateway.namespace}/${JSON.stringify(gateway.selector)}`;
      if (this.#gateways.has(key)) continue;
      const ports: Record<string, number> = {};
      for (const { port } of gateway.servers) ports[String(port)] = await this.#ports.prefer(port);
      const name = Object.values(gateway.selector)[0] ?? gateway.name;
      const sidecar = new Sidecar(
        {
          role: 'router',
          name,
          namespace: gateway.namespace,
          workloadName: name,
          labels: gateway.selector,
          serviceAccount: name,
          explicit: {
            bindAddress: '127.0.0.1',
            inbound: [],
            outbound: {},
            httpProxy: 0,
            gatewayPorts: ports,
          },
        },
        this.#launchEnvironment(),
        () => this.#options.report({ kind: 'gateway-ready', name, ports }),
        () => undefined,
      );
      this.#gateways.set(key, { sidecar, ports });
      await sidecar.start();
    }
  }

  #launchEnvironment(): LaunchEnvironment {
    if (this.#environment === undefined) throw new Error('the launcher was not started');
    return this.#environment;
  }
}

function servicesOf(model: MeshModel): MeshService[] {
  return [...model.services.values()].map(({ name, hostname, ports }) => ({
    name,
    hostname,
    ports: ports.map((port) => ({
      name: port.name,
      number: port.number,
      isHttp: port.protocol === 'http' || port.protocol === 'http2' || port.protocol === 'grpc',
    })),
  }));
}

/** Whether a running instance is what the workload asks for; the number of replicas is not its business. */
function isSameLaunch(running: Workload, wanted: Workload): boolean {
  return JSON.stringify({ ...running, replicas: 0 }) === JSON.stringify({ ...wanted, replicas: 0 });
}
