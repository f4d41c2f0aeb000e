import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock, systemRandom, type Clock, type Logger } from '@heddle/common';
import { ControlPlane, type IdentityOptions, type InjectionOptions } from '@heddle/control-plane';

export const TOKEN = 'a-token-for-tests';

/** A heddled in this process, with folders of its own. */
export interface RunningControlPlane {
  readonly folder: string;
  readonly xdsPort: number;
  readonly apiPort: number;
  /** With `identity`. */
  readonly xdsTlsPort: number;
  /** With `injection`. */
  readonly webhookPort: number;
  /** PEM, with `identity`. */
  readonly rootsFile: string;
  write(file: string, yaml: string): Promise<void>;
  close(): Promise<void>;
}

export async function startControlPlane(
  files: Readonly<Record<string, string>>,
  options: {
    readonly xdsPort?: number;
    readonly folder?: string;
    /** An authority with a root of its own, or the one in `caFolder`. */
    readonly identity?: Partial<IdentityOptions>;
    readonly injection?: InjectionOptions;
    /** Whether keys may be fetched from this machine. Default true. */
    readonly keysFromLoopback?: boolean;
    readonly clock?: Clock;
    readonly log?: Logger;
  } = {},
): Promise<RunningControlPlane> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'heddled-')));
  const write = async (file: string, yaml: string): Promise<void> => {
    await writeFile(join(folder, `.${file}`), yaml);
    await rename(join(folder, `.${file}`), join(folder, file));
  };
  for (const [file, yaml] of Object.entries(files)) await write(file, yaml);
  const plane = new ControlPlane({
    folders: [folder],
    appliedFolder: join(folder, 'applied'),
    xdsAddress: `127.0.0.1:${options.xdsPort ?? 0}`,
    apiHost: '127.0.0.1',
    apiPort: 0,
    apiAllowedHosts: [],
    token: TOKEN,
    version: 'test',
    clock: options.clock ?? systemClock,
    log: options.log ?? silentLogger,
    keySets: {
      allowLoopback: options.keysFromLoopback ?? true,
      folder: join(folder, '.jwks'),
      random: systemRandom,
    },
    injection: options.injection,
    identity:
      options.identity === undefined
        ? undefined
        : {
            caFolder: join(folder, '.ca'),
            trustDomain: 'cluster.local',
            tlsHost: '127.0.0.1',
            tlsPort: 0,
            serverNames: [],
            plaintext: 'required',
            random: systemRandom,
            ...options.identity,
          },
  });
  const ports = await plane.start();
  return {
    folder,
    ...ports,
    xdsTlsPort: ports.xdsTlsPort ?? 0,
    webhookPort: ports.webhookPort ?? 0,
    rootsFile: ports.rootsFile ?? '',
    write,
    close: async () => {
      await plane.close();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A service with one port. */
export function service(name: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: ${name} }
  ports: [{ name: http, port: 80 }]
`;
}

/** An application that runs as a service account of its own name. */
export function workload(name: string): string {
  return `apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: ${name} }
spec: { command: [x], serviceAccount: ${name}, labels: { app: ${name} } }
`;
}

/** What runs behind it. */
export function workloads(name: string, addresses: readonly string[]): string {
  return addresses
    .map(
      (address, i) => `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}-${i} }
spec: { address: ${address}, labels: { app: ${name} }, ports: { http: 8080 } }
`,
    )
    .join('---\n');
}

export function clusterName(service: string): string {
  return `outbound|80||${service}.default.svc.cluster.local`;
}
