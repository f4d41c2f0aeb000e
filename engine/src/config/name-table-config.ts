/** The names of services that an intercepted application may call. Source: istio.networking.nds.v1.NameTable. */
export interface NameTableConfig {
  /** By host name in lower case; `*.` and a name stand for every name below it. */
  readonly services: ReadonlyMap<string, NamedService>;
}

export interface NamedPort {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly number: number;
}

export interface NamedService {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  /** Those with a name. */
  readonly ports: readonly NamedPort[];
  /** Name and namespace of a service of the mesh, which has shorter names too; undefined: of others. */
  readonly short: { readonly name: string; readonly namespace: string } | undefined;
}
