import { X509Certificate } from 'node:crypto';
import { resourceNames } from '@heddle/xds-protos';
import { JsonView } from './json-view.js';

/** What is shown of a kind of configuration. Empty: everything. */
export interface ConfigFilter {
  readonly port: number | undefined;
  readonly fqdn: string | undefined;
  readonly direction: string | undefined;
  readonly name: string | undefined;
  readonly subset: string | undefined;
}

/** One kind of a proxy's configuration: what of it is wanted, and how it is told in a table. */
export interface ConfigKind {
  readonly title: string;
  /** The wanted parts as they are. */
  readonly select: (dump: ConfigDump, filter: ConfigFilter) => readonly JsonView[];
  /** With a head. */
  readonly rows: (selected: readonly JsonView[]) => readonly (readonly string[])[];
}

/** What a proxy's admin pages say of its configuration. */
export interface ConfigDump {
  /** Of `/config_dump`, by the last part of their types. */
  readonly section: (name: string) => JsonView;
  /** Of `/clusters?format=json`. */
  readonly clusters: JsonView;
}

/** Reads the two pages. Errors: throws when they are not JSON. */
export function readConfigDump(dump: string, clusters: string): ConfigDump {
  const sections = new Map(
    new JsonView(JSON.parse(dump))
      .list('configs')
      .map((one) => [one.text('@type').split('.').at(-1) ?? '', one] as const),
  );
  return {
    section: (name) => sections.get(name) ?? new JsonView({}),
    clusters: new JsonView(JSON.parse(clusters)),
  };
}

const listeners: ConfigKind = {
  title: 'listeners',
  select: (dump, { port, name }) =>
    [
      ...dump.section('ListenersConfigDump').list('static_listeners'),
      ...dump
        .section('ListenersConfigDump')
        .list('dynamic_listeners')
        .map((one) => one.get('active_state')),
    ]
      .filter((one) => one.has('listener'))
      .map((one) => one.get('listener'))
      .filter((one) => port === undefined || portOf(one.get('address')) === port)
      .filter((one) => name === undefined || one.text('name') === name)
      .sort((a, b) => portOf(a.get('address')) - portOf(b.get('address'))),
  rows: (selected) => [
    ['ADDRESS', 'PORT', 'MATCH', 'DESTINATION'],
    ...selected.flatMap((listener) => {
      const chains = [...listener.list('filter_chains'), listener.get('default_filter_chain')];
      return chains
        .filter((chain) => chain.has('filters'))
        .map((chain) => [
          listener.has('internal_listener')
            ? `envoy://${listener.text('name')}/`
            : listener.text('address', 'socket_address', 'address'),
          listener.has('internal_listener') ? '-' : String(portOf(listener.get('address'))),
          matchText(chain.get('filter_chain_match')),
          destinationText(chain),
        ]);
    }),
  ],
};

const routes: ConfigKind = {
  title: 'routes',
  select: (dump, { name }) =>
    ['static_route_configs', 'dynamic_route_configs']
      .flatMap((list) => dump.section('RoutesConfigDump').list(list))
      .map((one) => one.get('route_config'))
      .filter((one) => one.has('name') && (name === undefined || one.text('name') === name)),
  rows: (selected) => [
    ['NAME', 'VIRTUAL HOST', 'DOMAINS', 'MATCH', 'GOES TO', 'RULE'],
    ...selected.flatMap((table) =>
      table.list('virtual_hosts').flatMap((host) => {
        const domains = host.texts('domains');
        const more = domains.length > 1 ? ` + ${domains.length - 1} more` : '';
        return host
          .list('routes')
          .map((route) => [
            table.text('name'),
            host.text('name'),
            `${domains[0] ?? ''}${more}`,
            routeMatchText(route.get('match')),
            routeActionText(route),
            ruleOf(route.text('name')),
          ]);
      }),
    ),
  ],
};

const clusters: ConfigKind = {
  title: 'clusters',
  select: (dump, filter) =>
    ['static_clusters', 'dynamic_active_clusters']
      .flatMap((list) => dump.section('ClustersConfigDump').list(list))
      .map((one) => one.get('cluster'))
      .filter((one) => isWanted(one.text('name'), filter)),
  rows: (selected) => [
    ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'BALANCING'],
    ...selected.map((cluster) => {
      const name = cluster.text('name');
      const parts = resourceNames.parseClusterName(name);
      return [
        parts === undefined ? name : parts.host,
        parts === undefined ? '-' : String(parts.port),
        parts === undefined || parts.subset === '' ? '-' : parts.subset,
        parts?.direction ?? '-',
        cluster.text('type') || cluster.text('cluster_type', 'name') || 'STATIC',
        cluster.text('lb_policy') || policyName(cluster) || 'ROUND_ROBIN',
      ];
    }),
  ],
};

const endpoints: ConfigKind = {
  title: 'endpoints',
  select: (dump, filter) =>
    dump.clusters.list('cluster_statuses').filter((one) => isWanted(one.text('name'), filter)),
  rows: (selected) => [
    ['ENDPOINT', 'STATUS', 'OUTLIER CHECK', 'ACTIVE CHECK', 'WEIGHT', 'LOCALITY', 'CLUSTER'],
    ...selected.flatMap((cluster) =>
      cluster.list('host_statuses').map((host) => {
        const health = host.get('health_status');
        const locality = ['region', 'zone', 'sub_zone'].map((part) => host.text('locality', part));
        return [
          addressText(host.get('address')),
          health.text('eds_health_status') || 'UNKNOWN',
          health.text('failed_outlier_check') === 'true' ? 'EJECTED' : 'OK',
          health.text('failed_active_health_check') === 'true' ? 'FAILED' : 'OK',
          host.text('weight') || '1',
          locality.filter((part) => part !== '').join('/') || '-',
          cluster.text('name'),
        ];
      }),
    ),
  ],
};

const secrets: ConfigKind = {
  title: 'secrets',
  select: (dump, { name }) =>
    ['static_secrets', 'dynamic_active_secrets', 'dynamic_warming_secrets']
      .flatMap((list) => dump.section('SecretsConfigDump').list(list))
      .filter((one) => name === undefined || one.text('name') === name),
  rows: (selected) => [
    ['NAME', 'TYPE', 'STATUS', 'SUBJECT', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE'],
    ...selected.flatMap((one) => {
      const secret = one.get('secret');
      const isTrust = secret.has('validation_context');
      const type = isTrust ? 'CA' : secret.has('tls_certificate') ? 'Cert Chain' : '-';
      const status = secret.has('name') ? 'ACTIVE' : 'WARMING';
      const found = certificatesOf(
        secret.get(
          ...(isTrust ? ['validation_context', 'trusted_ca'] : ['tls_certificate', 'certificate_chain']),
        ),
      );
      const shown = isTrust ? found : found.slice(0, 1);
      if (shown.length === 0) return [[one.text('name'), type, status, '-', '-', '-', '-']];
      return shown.map((certificate) => [
        one.text('name'),
        type,
        status,
        certificate.subjectAltName?.replace(/^URI:/, '') ?? certificate.subject.replaceAll('\n', ','),
        certificate.serialNumber.toLowerCase(),
        new Date(certificate.validTo).toISOString(),
        new Date(certificate.validFrom).toISOString(),
      ]);
    }),
  ],
};

const bootstrap: ConfigKind = {
  title: 'bootstrap',
  select: (dump) => [dump.section('BootstrapConfigDump').get('bootstrap')],
  rows: ([one = new JsonView({})]) => [
    ['NODE', one.text('node', 'id')],
    ['CLUSTER', one.text('node', 'cluster')],
    ['VERSION', `${one.text('node', 'user_agent_name')} ${one.text('node', 'user_agent_version')}`.trim()],
    ['ADMIN', addressText(one.get('admin', 'address'))],
    ['XDS', one.text('dynamic_resources', 'ads_config', 'api_type')],
    [
      'STATIC CLUSTERS',
      one
        .list('static_resources', 'clusters')
        .map((each) => each.text('name'))
        .join(', '),
    ],
    ['INTERCEPTION', one.text('node', 'metadata', 'INTERCEPTION_MODE')],
    ['IDENTITY', one.text('node', 'metadata', 'HEDDLE_IDENTITY') || 'none'],
  ],
};

/** In the order in which `all` shows them. */
export const configKinds = { bootstrap, listeners, routes, clusters, endpoints, secrets } as const;

export type ConfigKindName = keyof typeof configKinds;

function isWanted(name: string, { port, fqdn, direction, subset, name: wanted }: ConfigFilter): boolean {
  if (wanted !== undefined && name !== wanted) return false;
  if (port === undefined && fqdn === undefined && direction === undefined && subset === undefined)
    return true;
  const parts = resourceNames.parseClusterName(name);
  if (parts === undefined) return false;
  return (
    (port === undefined || parts.port === port) &&
    (fqdn === undefined || parts.host === fqdn) &&
    (direction === undefined || parts.direction === direction) &&
    (subset === undefined || parts.subset === subset)
  );
}

function portOf(address: JsonView): number {
  return address.number('socket_address', 'port_value');
}

function addressText(address: JsonView): string {
  const pipe = address.text('pipe', 'path');
  if (pipe !== '') return `unix:${pipe}`;
  const inside = address.get('envoy_internal_address');
  if (inside.has('server_listener_name'))
    return `envoy://${inside.text('server_listener_name')}/${inside.text('endpoint_id')}`;
  const host = address.text('socket_address', 'address');
  return host === '' ? '-' : `${host.includes(':') ? `[${host}]` : host}:${portOf(address)}`;
}

function matchText(match: JsonView): string {
  const parts = [
    ...match.texts('server_names').map((name) => `SNI: ${name}`),
    ...match
      .list('prefix_ranges')
      .map((range) => `Addr: ${range.text('address_prefix')}/${range.text('prefix_len') || '0'}`),
    ...(match.has('destination_port') ? [`Port: ${match.text('destination_port')}`] : []),
    ...(match.has('transport_protocol') ? [`Trans: ${match.text('transport_protocol')}`] : []),
    ...(match.has('application_protocols') ? [`App: ${match.texts('application_protocols').join(',')}`] : []),
  ];
  return parts.length === 0 ? 'ALL' : parts.join('; ');
}

function destinationText(chain: JsonView): string {
  const filters = chain.list('filters');
  const last = filters.at(-1)?.get('typed_config') ?? new JsonView({});
  const tls = chain.text('transport_socket', 'name') === 'envoy.transport_sockets.tls' ? ' (TLS)' : '';
  if (last.has('rds')) return `Route: ${last.text('rds', 'route_config_name')}${tls}`;
  if (last.has('route_config')) return `Inline Route: ${last.text('route_config', 'name')}${tls}`;
  const weighted = last.list('weighted_clusters', 'clusters').map((one) => one.text('name'));
  const cluster = last.text('cluster');
  const names = cluster === '' ? weighted : [cluster];
  return names.length === 0 ? `Non-HTTP/Non-TCP${tls}` : `Cluster: ${names.join(', ')}${tls}`;
}

function routeMatchText(match: JsonView): string {
  const path =
    match.text('path') ||
    (match.has('prefix') ? `${match.text('prefix')}*` : '') ||
    (match.has('path_separated_prefix') ? `${match.text('path_separated_prefix')}/*` : '') ||
    (match.has('safe_regex') ? `regex ${match.text('safe_regex', 'regex')}` : '') ||
    'CONNECT';
  const extra = [
    ...match.list('headers').map((one) => one.text('name')),
    ...match.list('query_parameters').map((one) => `?${one.text('name')}`),
  ];
  return [path, ...extra].join(' ');
}

function routeActionText(route: JsonView): string {
  const cluster = route.text('route', 'cluster');
  if (cluster !== '') return cluster;
  const weighted = route.list('route', 'weighted_clusters', 'clusters');
  if (weighted.length > 0)
    return weighted.map((one) => `${one.text('name')} ${one.text('weight') || '0'}`).join(', ');
  if (route.has('redirect')) return 'redirect';
  return route.has('direct_response') ? `answers ${route.text('direct_response', 'status')}` : '-';
}

/** Names are `NAMESPACE/RESOURCE/RULE` where somebody wrote the rule. */
function ruleOf(routeName: string): string {
  return /^[^/]+\/[^/]+\/./.test(routeName) ? routeName : '-';
}

function policyName(cluster: JsonView): string {
  return cluster.list('load_balancing_policy', 'policies')[0]?.text('typed_extension_config', 'name') ?? '';
}

function certificatesOf(source: JsonView): readonly X509Certificate[] {
  const bytes = source.text('inline_bytes');
  const pem = bytes === '' ? source.text('inline_string') : Buffer.from(bytes, 'base64').toString('latin1');
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return found.flatMap((one) => {
    try {
      return [new X509Certificate(one)];
    } catch {
      return [];
    }
  });
}
