import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import {
  tlsModeLabel,
  tunnelLabel,
  tunnelPortAnnotation,
  workloadNameLabel,
  type Workload,
} from '@heddle/control-plane';
import { stringify } from 'yaml';
import { SupervisedProcess } from '@heddle/supervisor';
import { applicationEnvironment, type ReachableService } from './application-environment.js';
import { fileStem } from './file-stem.js';
import type { LaunchEnvironment } from './launch-environment.js';
import { acceptsConnections, waitUntil } from './readiness.js';
import { NETWORK, SIDECAR_PORTS, SWITCH_PORTS, pairsOf } from './pods/pod-addresses.js';
import type { Pod } from './pods/pod-network.js';
import type { InboundPort } from './proxy-bootstrap.js';
import { Sidecar } from './sidecar.js';

/** When it is told that a program does not listen; it is waited for longer. */
const SAY_LATE_AFTER_MS = 5_000;
const STOP_GRACE_MS = 15_000;

/** A service and its ports, as the mesh names them; each gets a local port at every instance. */
export interface MeshService {
  readonly name: string;
  readonly hostname: string;
  readonly ports: readonly { readonly name: string; readonly number: number; readonly isHttp: boolean }[];
}

/**
 * One running copy of a workload: the application and its sidecar.
 *
 * It is an endpoint of its services while both are up, and not a moment longer: a WorkloadEntry file in the folder of
 * instances says so to heddled.
 */
export class Instance {
  readonly name: string;
  readonly workload: Workload;
  readonly #environment: LaunchEnvironment;
  readonly #recordFile: string;
  #application: SupervisedProcess | undefined;
  #sidecar: Sidecar | undefined;
  #inbound: InboundPort[] = [];
  /** Where its sidecar takes tunnels; 0: nowhere. */
  #tunnelPort = 0;
  #pod: Pod | undefined;
  readonly #taken: number[] = [];
  #applicationUp = false;
  #sidecarUp = false;
  #recorded = false;
  #reported = false;
  /** Counts starts and ends of the program, so that what waits for one run ends with it. */
  #run = 0;
  #writing: Promise<void> = Promise.resolve();
  readonly #stopped = new AbortController();

  constructor(name: string, workload: Workload, environment: LaunchEnvironment) {
    this.name = name;
    this.workload = workload;
    this.#environment = environment;
    this.#recordFile = join(environment.folders.instances, `${fileStem(name, workload.namespace)}.yaml`);
  }

  /** `NAMESPACE/NAME` of its WorkloadEntry. */
  get key(): string {
    return `${this.workload.namespace}/${this.name}`;
  }

  get adminPort(): number {
    return this.#sidecar?.adminPort ?? 0;
  }

  get applicationPid(): number | undefined {
    return this.#application?.pid;
  }

  get sidecarPid(): number | undefined {
    return this.#sidecar?.pid;
  }

  /** Starts its sidecar anew beside the running one. Resolves with why that failed, if it did. */
  replaceSidecar(): Promise<string | undefined> {
    return this.#sidecar?.replace() ?? Promise.resolve('it was not started');
  }

  /** Where its sidecar takes requests, in the order of the workload's ports; in a pod, at the pod's address. */
  get inbound(): { readonly host: string; readonly ports: readonly number[] } {
    return { host: this.#host, ports: this.#inbound.map(({ listen }) => listen) };
  }

  get #host(): string {
    return this.#pod?.addresses.v4.application ?? '127.0.0.1';
  }

  get isReady(): boolean {
    return this.#applicationUp && this.#sidecarUp;
  }

  /** Starts both; resolves when they are started, which is before they are ready. */
  async start(services: readonly MeshService[]): Promise<void> {
    const { workload, name } = this;
    const { report } = this.#environment;
    report({ kind: 'instance-starting', name });
    const { pods } = this.#environment;
    if (pods !== undefined) {
      await this.#startInPod(await pods.createPod(), services);
      return;
    }
    for (const port of workload.ports) {
      const listen = await this.#port();
      this.#inbound.push({ name: port.name, port: port.port, listen, application: await this.#port() });
    }
    const reachable: ReachableService[] = [];
    const outbound: Record<string, number> = {};
    for (const service of services) {
      const ports = [];
      for (const port of service.ports) {
        const local = await this.#port();
        outbound[`${service.hostname}:${port.number}`] = local;
        ports.push({ ...port, address: `127.0.0.1:${local}` });
      }
      reachable.push({ name: service.name, ports });
    }
    const httpProxy = await this.#port();
    if (this.#environment.hbone) this.#tunnelPort = await this.#port();

    this.#sidecar = new Sidecar(
      {
        role: 'sidecar',
        name,
        namespace: workload.namespace,
        workloadName: workload.name,
        labels: workload.labels,
        serviceAccount: workload.serviceAccount,
        locality: workload.locality,
        explicit: {
          bindAddress: '127.0.0.1',
          inbound: this.#inbound,
          outbound,
          httpProxy,
          hbone: this.#tunnelPort,
          gatewayPorts: {},
        },
      },
      this.#environment,
      () => this.#onChange('sidecar', true),
      () => this.#onChange('sidecar', false),
    );
    await this.#sidecar.start();
    this.#application = this.#createApplication(reachable, httpProxy);
    this.#application.start();
  }

  /** The same in a pod, where every port is the application's own and services are called by their names. */
  async #startInPod(pod: Pod, services: readonly MeshService[]): Promise<void> {
    const { workload, name } = this;
    this.#pod = pod;
    if (this.#environment.hbone) this.#tunnelPort = SIDECAR_PORTS.tunnels;
    if (this.#stopped.signal.aborted) return;
    this.#inbound = workload.ports.map(({ name: portName, port }) => ({
      ...{ name: portName, port, listen: port, application: port },
    }));
    const reachable = services.map(({ name: serviceName, hostname, ports }) => ({
      name: serviceName,
      ports: ports.map((port) => ({ ...port, address: `${hostname}:${port.number}` })),
    }));
    this.#sidecar = new Sidecar(
      {
        role: 'sidecar',
        name,
        namespace: workload.namespace,
        workloadName: workload.name,
        labels: workload.labels,
        serviceAccount: workload.serviceAccount,
        captured: {
          addresses: pairsOf(pod.addresses).map(([, { application }]) => application),
          sourceAddresses: pairsOf(pod.addresses).map(([, { sidecar }]) => sidecar),
          // As without pods, programs listen on loopback, or anywhere.
          applicationAddress: '127.0.0.1',
          ports: workload.ports.map(({ name: portName, port }) => ({ name: portName, port })),
          dnsServer: `tcp://${NETWORK.v4.switch}:${SWITCH_PORTS.dns}`,
        },
      },
      this.#environment,
      () => this.#onChange('sidecar', true),
      () => this.#onChange('sidecar', false),
      pod,
    );
    await this.#sidecar.start();
    this.#application = this.#createApplication(reachable, 0);
    this.#application.start();
  }

  /** No longer an endpoint. Resolves when that is written. */
  async withdraw(): Promise<void> {
    this.#stopped.abort();
    this.#applicationUp = false;
    this.#record();
    await this.#writing;
  }

  /** The application first: while it finishes what is in flight, its own calls still need the sidecar. */
  async stop(): Promise<void> {
    await this.withdraw();
    await this.#application?.stop(STOP_GRACE_MS);
    await this.#sidecar?.stop();
    this.#pod?.close();
    for (const port of this.#taken) this.#environment.ports.release(port);
    this.#environment.report({ kind: 'instance-stopped', name: this.name });
  }

  kill(): void {
    this.#stopped.abort();
    this.#application?.kill();
    this.#sidecar?.kill();
    this.#pod?.close();
  }

  async #port(): Promise<number> {
    const port = await this.#environment.ports.take();
    this.#taken.push(port);
    return port;
  }

  #createApplication(services: readonly ReachableService[], httpProxy: number): SupervisedProcess {
    const { name, workload } = this;
    const { clock, random, environment, folders, report } = this.#environment;
    const logFile = join(folders.logs, `${fileStem(name, workload.namespace)}.log`);
    const workingDirectory = resolve(dirname(workload.file), workload.workingDirectory ?? '.');
    const [command = '', ...args] = [
      ...(this.#pod?.enterAsUser(workingDirectory) ?? []),
      ...workload.command,
    ];
    return new SupervisedProcess({
      name,
      command,
      args,
      workingDirectory,
      environment: {
        ...environment,
        ...applicationEnvironment({
          instance: name,
          ports: this.#inbound,
          services,
          httpProxy,
          own: workload.env,
        }),
      },
      logFile,
      clock,
      random,
      onStart: () => void this.#awaitApplication(logFile),
      onCrash: (crash) => {
        this.#run++;
        this.#onChange('application', false);
        report({ kind: 'crashed', name, ...crash, logFile });
      },
    });
  }

  /** Waits as long as this run of the program lasts. */
  async #awaitApplication(logFile: string): Promise<void> {
    const { clock, report } = this.#environment;
    const run = ++this.#run;
    const ports = this.#inbound.map(({ application }) => application);
    const late = clock.setTimer(SAY_LATE_AFTER_MS, () => {
      if (run !== this.#run || this.#stopped.signal.aborted) return;
      const what = `nothing listens on its PORT, 127.0.0.1:${ports.join(' and ')}`;
      report({ kind: 'not-ready', name: this.name, what, logFile });
    });
    let isListening = false;
    await waitUntil(
      async () => {
        if (run !== this.#run) return true;
        if (!(await this.#listensOn(ports))) return false;
        return (isListening = run === this.#run);
      },
      clock,
      Infinity,
      this.#stopped.signal,
    );
    late.cancel();
    if (!isListening) return;
    this.#onChange('application', true);
  }

  async #listensOn(ports: readonly number[]): Promise<boolean> {
    // From outside of a pod its sidecar accepts everything, whether the application listens or not.
    const inPod = this.#pod?.listeningPorts();
    if (inPod !== undefined) return ports.every((port) => inPod.has(port));
    for (const port of ports) if (!(await acceptsConnections(port))) return false;
    return true;
  }

  #onChange(what: 'application' | 'sidecar', isUp: boolean): void {
    if (this.#stopped.signal.aborted) return;
    if (what === 'application') this.#applicationUp = isUp;
    else this.#sidecarUp = isUp;
    this.#record();
    // After a crash it is told again that it is ready.
    if (!isUp) this.#reported = false;
    if (this.isReady && !this.#reported) {
      this.#reported = true;
      this.#environment.report({ kind: 'instance-ready', name: this.name, adminPort: this.adminPort });
    }
  }

  /** Writes or removes the record, one after the other, by what is so when its turn comes. */
  #record(): void {
    this.#writing = this.#writing.then(async () => {
      if (this.isReady === this.#recorded) return;
      this.#recorded = this.isReady;
      if (!this.#recorded) {
        await rm(this.#recordFile, { force: true });
        return;
      }
      const { workload } = this;
      const entry = {
        apiVersion: 'networking.istio.io/v1',
        kind: 'WorkloadEntry',
        metadata: {
          name: this.name,
          namespace: workload.namespace,
          // Every sidecar that is launched has an identity.
          labels: { ...workload.labels, [workloadNameLabel]: workload.name, [tlsModeLabel]: 'istio' },
          annotations: {
            'heddle.dev/application-ports': this.#inbound
              .map(({ name, port }) => `${name}=${port}`)
              .join(','),
            ...(this.#tunnelPort === 0 ? {} : { [tunnelPortAnnotation]: String(this.#tunnelPort) }),
          },
        },
        spec: {
          address: this.#host,
          ports: Object.fromEntries(this.#inbound.map(({ name, listen }) => [name, listen])),
          // Its sidecar takes mutual TLS, which is how callers know that they may use it.
          labels: {
            ...workload.labels,
            [tlsModeLabel]: 'istio',
            ...(this.#tunnelPort === 0 ? {} : { [tunnelLabel]: 'http' }),
          },
          serviceAccount: workload.serviceAccount,
          ...(workload.locality === undefined ? {} : { locality: workload.locality }),
        },
      };
      // Renamed into place, so that heddled never reads half a file.
      await writeFile(`${this.#recordFile}.tmp`, stringify(entry), { mode: 0o600 });
      await rename(`${this.#recordFile}.tmp`, this.#recordFile);
    });
  }
}
