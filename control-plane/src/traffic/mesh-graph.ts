import type {
  EdgeSecurity,
  GraphEdge,
  GraphNode,
  GraphView,
  Health,
  VersionFigures,
} from '../dashboard-api.js';
import type { Endpoint, MeshModel, Service } from '../model/mesh-model.js';
import { COLUMN, type CallCounts } from './call-columns.js';
import { figuresOf, healthOf } from './figures.js';
import { ServiceIndex } from './service-index.js';
import { recentCounts, totalCounts, type CallParty, type CallRecord } from './traffic-store.js';

const MAX_NODES = 500;
const MAX_EDGES = 2_000;
const UNKNOWN = 'unknown';

/** Where a call ends or begins in the graph. */
interface Place {
  readonly id: string;
  readonly kind: GraphNode['kind'];
  readonly namespace: string;
  readonly name: string;
  readonly service: Service | undefined;
}

interface Link {
  readonly source: Place;
  readonly target: Place;
  readonly records: CallRecord[];
  /** What the called side said of the same calls: it alone knows how they came. */
  readonly received: CallRecord[];
}

/** The calls of the mesh, arranged by services; made once for everything that is shown at one moment. */
export class MeshGraph {
  readonly #nowMs: number;
  readonly #places = new Map<string, Place>();
  readonly #links = new Map<string, Link>();

  constructor(model: MeshModel, records: Iterable<CallRecord>, nowMs: number) {
    this.#nowMs = nowMs;
    const index = new ServiceIndex(model);
    for (const service of model.services.values()) this.#add(placeOfService(service));
    const all = [...records];
    const explained = explainedCalls(all);
    for (const record of all) {
      const { reporter, source, destination } = record.key;
      const isAnonymous = source.workload === UNKNOWN;
      // What a caller in the mesh told already is not told again as somebody's from outside.
      if (reporter === 'destination' && isAnonymous && explained.has(workloadKey(destination))) continue;
      const from = placeOfCaller(source, index);
      const to = placeOfCalled(record, index);
      const id = `${from.id} ${to.id}`;
      let link = this.#links.get(id);
      if (link === undefined) {
        link = { source: this.#add(from), target: this.#add(to), records: [], received: [] };
        this.#links.set(id, link);
      }
      if (reporter === 'destination') link.received.push(record);
      if (reporter === 'source' || isAnonymous) link.records.push(record);
    }
  }

  view(): GraphView {
    const links = [...this.#links.values()].filter(({ records }) => records.length > 0);
    const edges = links.map((link) => this.#edge(link)).sort(byId);
    const nodes = [...this.#places.values()].map((place) => this.node(place.id) as GraphNode).sort(byId);
    const shown = new Set(nodes.slice(0, MAX_NODES).map(({ id }) => id));
    const kept = edges.filter(({ source, target }) => shown.has(source) && shown.has(target));
    return {
      nodes: nodes.slice(0, MAX_NODES),
      edges: kept.slice(0, MAX_EDGES),
      leftOut: nodes.length - shown.size + Math.max(0, edges.length - Math.min(kept.length, MAX_EDGES)),
    };
  }

  /** undefined: there is no such node. */
  node(id: string): GraphNode | undefined {
    const place = this.#places.get(id);
    if (place === undefined) return undefined;
    const { kind, namespace, name, service } = place;
    const isEntry = kind === 'gateway' || kind === 'outside';
    const records = isEntry ? this.#recordsBy(id) : this.recordsTo(id);
    const figures = figuresOf(records, this.#nowMs);
    const endpoints = service?.endpoints ?? [];
    const healthy = endpoints.filter(({ health }) => health === 'healthy').length;
    const { health, reasons } = judge(place, healthOf(figures), figures.successRatio, healthy);
    return {
      ...{ id, kind, namespace, name, figures, health, reasons },
      versions: isEntry ? [] : this.#versions(records, endpoints, figures.rate),
      endpoints: endpoints.length,
      healthyEndpoints: healthy,
    };
  }

  /** Everything that was counted of calls to a node, each call once. */
  recordsTo(id: string): readonly CallRecord[] {
    return [...this.#links.values()].flatMap(({ target, records }) => (target.id === id ? records : []));
  }

  callersOf(id: string): readonly GraphEdge[] {
    return this.#edgesWhere(({ target }) => target.id === id);
  }

  calleesOf(id: string): readonly GraphEdge[] {
    return this.#edgesWhere(({ source }) => source.id === id);
  }

  #add(place: Place): Place {
    const known = this.#places.get(place.id);
    if (known !== undefined) return known;
    this.#places.set(place.id, place);
    return place;
  }

  #recordsBy(id: string): readonly CallRecord[] {
    return [...this.#links.values()].flatMap(({ source, records }) => (source.id === id ? records : []));
  }

  #edgesWhere(isWanted: (link: Link) => boolean): readonly GraphEdge[] {
    return [...this.#links.values()]
      .filter((link) => link.records.length > 0 && isWanted(link))
      .map((link) => this.#edge(link))
      .sort(byId);
  }

  #edge({ source, target, records, received }: Link): GraphEdge {
    const figures = figuresOf(records, this.#nowMs);
    return {
      id: `${source.id} ${target.id}`,
      source: source.id,
      target: target.id,
      figures,
      security: securityOf(received, this.#nowMs),
      health: healthOf(figures),
    };
  }

  #versions(
    records: readonly CallRecord[],
    endpoints: readonly Endpoint[],
    rate: number,
  ): readonly VersionFigures[] {
    const versions = new Map<string, { version: string; records: CallRecord[]; endpoints: Endpoint[] }>();
    const of = (workload: string, version: string): { records: CallRecord[]; endpoints: Endpoint[] } => {
      let found = versions.get(workload);
      if (found === undefined) versions.set(workload, (found = { version, records: [], endpoints: [] }));
      return found;
    };
    for (const endpoint of endpoints)
      of(endpoint.workloadName, endpoint.labels['version'] ?? '').endpoints.push(endpoint);
    for (const record of records) {
      const { workload, version } = record.key.destination;
      if (workload !== UNKNOWN) of(workload, version).records.push(record);
    }
    return [...versions]
      .map(([workload, found]) => {
        const figures = figuresOf(found.records, this.#nowMs);
        return {
          ...figures,
          workload,
          version: found.version,
          share: rate === 0 ? null : figures.rate / rate,
          endpoints: found.endpoints.length,
          healthyEndpoints: found.endpoints.filter(({ health }) => health === 'healthy').length,
        };
      })
      .sort((a, b) => (a.workload < b.workload ? -1 : 1));
  }
}

function judge(
  { kind, service }: Place,
  health: Health,
  successRatio: number | null,
  healthyEndpoints: number,
): { readonly health: Health; readonly reasons: readonly string[] } {
  const reasons: string[] = [];
  const isEmpty = kind === 'service' && service?.resolution === 'static' && healthyEndpoints === 0;
  if (isEmpty) reasons.push('no endpoint is ready');
  if (health === 'bad' || health === 'warning')
    reasons.push(`${((1 - (successRatio ?? 1)) * 100).toFixed(1)} % of calls fail`);
  return { health: isEmpty ? 'bad' : health, reasons };
}

function placeOfService(service: Service): Place {
  const { namespace, name, external, kind, hostname } = service;
  const isExternal = external || kind === 'ServiceEntry';
  return {
    id: `${namespace}/${name}${kind === 'ServiceEntry' ? `/${hostname}` : ''}`,
    kind: isExternal ? 'external' : 'service',
    namespace,
    name: kind === 'ServiceEntry' ? hostname : name,
    service,
  };
}

function placeOfCaller(party: CallParty, index: ServiceIndex): Place {
  if (party.workload === UNKNOWN)
    return { id: 'outside', kind: 'outside', namespace: '', name: 'outside', service: undefined };
  const service = index.ofWorkload(party.namespace, party.workload);
  if (service !== undefined) return placeOfService(service);
  const { namespace, workload } = party;
  return {
    id: `${namespace}/${workload}/gateway`,
    kind: 'gateway',
    namespace,
    name: workload,
    service: undefined,
  };
}

function placeOfCalled({ key }: CallRecord, index: ServiceIndex): Place {
  const { destination, host } = key;
  const service =
    (destination.workload === UNKNOWN
      ? undefined
      : index.ofWorkload(destination.namespace, destination.workload)) ?? index.ofHost(host);
  if (service !== undefined) return placeOfService(service);
  return { id: `external/${host}`, kind: 'external', namespace: '', name: host, service: undefined };
}

function workloadKey({ namespace, workload }: CallParty): string {
  return `${namespace}/${workload}`;
}

/**
 * Workloads whose anonymous callers are callers of the mesh: over plain text they prove nothing to the called side, while their
 * own proxies say whom they called.
 */
function explainedCalls(records: readonly CallRecord[]): ReadonlySet<string> {
  const balance = new Map<string, { anonymous: number; untold: number }>();
  for (const { key, totals } of records) {
    const name = workloadKey(key.destination);
    let found = balance.get(name);
    if (found === undefined) balance.set(name, (found = { anonymous: 0, untold: 0 }));
    const calls = callsOf(totals);
    if (key.reporter === 'source') found.untold += calls;
    else if (key.source.workload === UNKNOWN) found.anonymous += calls;
    else found.untold -= calls;
  }
  return new Set(
    [...balance].filter(([, { anonymous, untold }]) => untold > anonymous / 2).map(([name]) => name),
  );
}

function callsOf(counts: CallCounts): number {
  return (counts[COLUMN.requests] as number) + (counts[COLUMN.connections] as number);
}

/** By the calls of now; where there are none, by all there were. */
function securityOf(received: readonly CallRecord[], nowMs: number): EdgeSecurity {
  const recent = recentCounts(received, nowMs).counts;
  const counts = callsOf(recent) > 0 ? recent : totalCounts(received, 'totals');
  const calls = callsOf(counts);
  if (calls === 0) return 'unknown';
  const secured = counts[COLUMN.mutualTls] as number;
  if (secured === 0) return 'plaintext';
  return secured < calls ? 'mixed' : 'mutual-tls';
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
