/** A service as an application is told of it. */
export interface ReachableService {
  /** The resource's name: `reviews`. */
  readonly name: string;
  readonly ports: readonly {
    readonly name: string;
    readonly number: number;
    readonly isHttp: boolean;
    /** By which it is reached, `HOST:PORT`: the sidecar's own where nothing is intercepted. */
    readonly address: string;
  }[];
}

export interface ApplicationEnvironmentOptions {
  readonly instance: string;
  readonly ports: readonly { readonly name: string; readonly application: number }[];
  readonly services: readonly ReachableService[];
  /** 0: none. */
  readonly httpProxy: number;
  /** What the Workload says; it wins over everything here. */
  readonly own: Readonly<Record<string, string>>;
}

/**
 * What an application is told: its port, and where each service is reached. In the explicit way it has to know that.
 *
 * Shape: `PORT` (its first port) and `PORT_<NAME>` for each; `<SERVICE>_URL` for the first HTTP port of each service,
 * `<SERVICE>_<PORT NAME>_URL` for each HTTP port and `<SERVICE>_<PORT NAME>_ADDRESS` (`host:port`) for all; `HTTP_PROXY` for programs
 * that mind it, with `NO_PROXY` for loopback, where the addresses above are. Of equal names the first service wins: the
 * caller puts those of the application's own namespace first.
 */
export function applicationEnvironment(options: ApplicationEnvironmentOptions): Record<string, string> {
  const environment: Record<string, string> = { INSTANCE: options.instance };
  for (const { name, application } of options.ports) {
    environment['PORT'] ??= String(application);
    environment[`PORT_${variableName(name)}`] = String(application);
  }
  for (const service of options.services) {
    for (const port of service.ports) {
      const prefix = `${variableName(service.name)}_${variableName(port.name === '' ? String(port.number) : port.name)}`;
      environment[`${prefix}_ADDRESS`] ??= port.address;
      if (!port.isHttp) continue;
      environment[`${prefix}_URL`] ??= `http://${port.address}`;
      environment[`${variableName(service.name)}_URL`] ??= `http://${port.address}`;
    }
  }
  if (options.httpProxy !== 0) {
    for (const name of ['HTTP_PROXY', 'http_proxy'])
      environment[name] = `http://127.0.0.1:${options.httpProxy}`;
    for (const name of ['NO_PROXY', 'no_proxy']) environment[name] = '127.0.0.1,localhost,::1';
  }
  return { ...environment, ...options.own };
}

function variableName(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]+/g, '_');
}
