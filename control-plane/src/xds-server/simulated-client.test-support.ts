import assert from 'node:assert/strict';
import { FakeClock } from '@heddle/common';
import { envoy, typeUrls } from '@heddle/xds-protos';
import type { EncodedResource, ProxySnapshot } from '../snapshot/encoded-resource.js';
import { ResourceStore } from '../snapshot/resource-store.js';
import { AdsSession } from './ads-session.js';
import { DEFAULT_SESSION_LIMITS } from './session-limits.js';

const { cluster: CDS, clusterLoadAssignment: EDS, listener: LDS, routeConfiguration: RDS } = typeUrls;
const { Cluster } = envoy.config.cluster.v3;

/**
 * A mesh's resources, by name. A cluster and its endpoints are a version each; a listener names its route; a route names
 * clusters. A version `bad` is refused.
 */
export interface SimulatedMesh {
  readonly clusters: Readonly<Record<string, { readonly version: string; readonly endpoints: string }>>;
  readonly listeners: Readonly<Record<string, { readonly version: string; readonly route: string }>>;
  readonly routes: Readonly<
    Record<string, { readonly version: string; readonly clusters: readonly string[] }>
  >;
}

interface Held {
  readonly text: string;
  readonly version: string;
}

interface Answer {
  readonly type: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: ReadonlyMap<string, Held>;
  readonly removed: readonly string[];
}

interface Request {
  readonly type: string;
  readonly names?: readonly string[];
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly nonce?: string;
  readonly version?: string;
  readonly held?: Readonly<Record<string, string>>;
  readonly error?: string;
}

/**
 * A proxy as Envoy is one, and the wires between it and a session: a listener keeps its old route until it has the new
 * one, endpoints are asked for as clusters come, and a refused answer is refused as a whole. Each step is taken when the
 * test says so, so that every order of events can be had.
 */
export class SimulatedClient {
  readonly clock = new FakeClock();
  readonly #variant: 'sotw' | 'delta';
  readonly #store = new ResourceStore();
  #session!: AdsSession;
  #snapshot: ProxySnapshot = { resources: new Map() };
  #toClient: Answer[] = [];
  #toServer: Request[] = [];
  /** Answers written and not spoken of yet, as the server can know. */
  #unspoken = new Map<string, Set<string>>();
  #isSlow = false;
  /** A state-of-the-world client cannot tell by name what it holds, so its first full set may lack clusters. */
  #mayLoseClusters = false;

  readonly #held = new Map<string, Map<string, Held>>([CDS, EDS, LDS, RDS].map((type) => [type, new Map()]));
  readonly #versions = new Map<string, string>();
  readonly #nonces = new Map<string, string>();
  readonly #asked = new Map<string, Set<string>>();
  /** The route that each listener works with. */
  readonly #activeRoutes = new Map<string, string>();

  constructor(variant: 'sotw' | 'delta') {
    this.#variant = variant;
    this.#connect();
  }

  setMesh(mesh: SimulatedMesh): void {
    const resources = new Map<string, Map<string, EncodedResource>>();
    const add = (typeUrl: string, name: string, text: string): void => {
      const value = Cluster.encode({ name, altStatName: text }).finish();
      const byName = resources.get(typeUrl) ?? new Map<string, EncodedResource>();
      resources.set(typeUrl, byName.set(name, this.#store.intern({ typeUrl, name, value })));
    };
    for (const [name, { version, endpoints }] of Object.entries(mesh.clusters)) {
      add(CDS, name, version);
      add(EDS, name, endpoints);
    }
    for (const [name, { version, route }] of Object.entries(mesh.listeners))
      add(LDS, name, `${version}|${route}`);
    for (const [name, { version, clusters }] of Object.entries(mesh.routes))
      add(RDS, name, `${version}|${clusters.join(',')}`);
    this.#snapshot = { resources };
    this.#session.onSnapshot(this.#snapshot);
  }

  /** The client stops reading, or goes on. */
  setSlow(isSlow: boolean): void {
    this.#isSlow = isSlow;
    if (!isSlow) this.#session.onWritable();
  }

  /** The stream breaks, and the client comes back with what it holds. */
  reconnect(): void {
    this.#session.close();
    this.#connect();
  }

  /** The server reads one request. Returns whether there was one. */
  serverReads(): boolean {
    const request = this.#toServer.shift();
    if (request === undefined) return false;
    if (request.nonce !== undefined) {
      const unspoken = this.#unspoken.get(request.type);
      for (const nonce of unspoken ?? []) {
        unspoken?.delete(nonce);
        if (nonce === request.nonce) break;
      }
    }
    const errorDetail = request.error === undefined ? null : { code: 3, message: request.error };
    const { type: typeUrl, nonce: responseNonce = '' } = request;
    if (this.#variant === 'sotw') {
      const { names = [], version: versionInfo = '' } = request;
      const { DiscoveryRequest } = envoy.service.discovery.v3;
      this.#session.onSotwRequest(
        DiscoveryRequest.create({
          typeUrl,
          responseNonce,
          errorDetail,
          versionInfo,
          resourceNames: [...names],
        }),
      );
    } else {
      const { DeltaDiscoveryRequest } = envoy.service.discovery.v3;
      this.#session.onDeltaRequest(
        DeltaDiscoveryRequest.create({
          typeUrl,
          responseNonce,
          errorDetail,
          resourceNamesSubscribe: [...(request.subscribe ?? [])],
          resourceNamesUnsubscribe: [...(request.unsubscribe ?? [])],
          initialResourceVersions: request.held ?? {},
        }),
      );
    }
    return true;
  }

  /** The client reads one answer. Returns whether there was one. */
  clientReads(): boolean {
    const answer = this.#toClient.shift();
    if (answer === undefined) return false;
    this.#nonces.set(answer.type, answer.nonce);
    const bad = [...answer.resources].filter(([, { text }]) => text.startsWith('bad')).map(([name]) => name);
    if (bad.length > 0) this.#answer(answer, `refused: ${bad.join(', ')}`);
    else {
      this.#versions.set(answer.type, answer.version);
      this.#apply(answer);
      this.#answer(answer, undefined);
      this.#follow();
    }
    if (this.#toClient.length === 0) this.#session.onWritable();
    return true;
  }

  /** Lets everything happen that is under way. */
  settle(): void {
    this.setSlow(false);
    for (let quiet = 0; quiet < 3; quiet++) {
      for (let steps = 0; ; steps++) {
        assert.ok(steps < 5_000, 'client and server answer each other without end');
        if (!this.serverReads() && !this.clientReads()) break;
        quiet = 0;
      }
      this.clock.advance(DEFAULT_SESSION_LIMITS.clusterGraceMs);
    }
  }

  /** What the client holds, as a mesh; for comparison with what it was given. */
  get mesh(): SimulatedMesh {
    const endpoints = this.#of(EDS);
    const split = (text: string): [string, string] => {
      const bar = text.indexOf('|');
      return [text.slice(0, bar), text.slice(bar + 1)];
    };
    return {
      clusters: fromEntries(this.#of(CDS), ({ text }, name) => ({
        version: text,
        endpoints: endpoints.get(name)?.text ?? 'none',
      })),
      listeners: fromEntries(this.#of(LDS), ({ text }) => {
        const [version, route] = split(text);
        return { version, route };
      }),
      routes: fromEntries(this.#of(RDS), ({ text }) => {
        const [version, clusters] = split(text);
        return { version, clusters: clusters.split(',').filter((name) => name !== '') };
      }),
    };
  }

  get states(): readonly string[] {
    return this.#session.status().map(({ state }) => state);
  }

  #of(type: string): Map<string, Held> {
    return this.#held.get(type) as Map<string, Held>;
  }

  #connect(): void {
    this.#toClient = [];
    this.#toServer = [];
    this.#unspoken = new Map();
    this.#nonces.clear();
    this.#isSlow = false;
    const session = new AdsSession({
      variant: this.#variant,
      clock: this.clock,
      limits: DEFAULT_SESSION_LIMITS,
      onNack: () => undefined,
      transport: {
        refuse: (reason) => assert.fail(reason),
        write: (bytes) => this.#write(bytes),
      },
    });
    this.#session = session;
    session.onSnapshot(this.#snapshot);
    const isFirst = this.#asked.size === 0;
    this.#mayLoseClusters = !isFirst && this.#variant === 'sotw';
    for (const type of isFirst ? [CDS, LDS] : [CDS, EDS, LDS, RDS]) {
      const names = [...(this.#asked.get(type) ?? [])];
      if ((type === EDS || type === RDS) && names.length === 0) continue;
      this.#asked.set(type, new Set(names));
      const held = Object.fromEntries([...this.#of(type)].map(([name, { version }]) => [name, version]));
      this.#toServer.push({ type, names, subscribe: names, held, version: this.#versions.get(type) ?? '' });
    }
    // The server learns at once what a returning client holds; how long it may wait for that is another matter.
    while (!isFirst && this.serverReads());
  }

  #write(bytes: Buffer): boolean {
    const answer = this.#variant === 'sotw' ? readSotw(bytes) : readDelta(bytes);
    const unspoken = this.#unspoken.get(answer.type) ?? new Set();
    if (answer.type !== EDS) assert.equal(unspoken.size, 0, `two answers of ${answer.type} are under way`);
    assert.ok(unspoken.size < DEFAULT_SESSION_LIMITS.maxOutstandingEndpoints, 'endpoints are bounded too');
    this.#unspoken.set(answer.type, unspoken.add(answer.nonce));
    this.#toClient.push(answer);
    return !this.#isSlow;
  }

  #apply(answer: Answer): void {
    const held = this.#of(answer.type);
    for (const [name, resource] of answer.resources) {
      const isAsked = answer.type === CDS || answer.type === LDS || this.#asked.get(answer.type)?.has(name);
      if (isAsked) held.set(name, resource);
    }
    const isFullSet = this.#variant === 'sotw' && (answer.type === CDS || answer.type === LDS);
    const gone = isFullSet ? [...held.keys()].filter((name) => !answer.resources.has(name)) : answer.removed;
    for (const name of gone) {
      if (answer.type === CDS && !this.#mayLoseClusters) this.#assertUnused(name);
      // As in Envoy: routes go with the listeners that name them, endpoints with their clusters.
      if (answer.type === CDS || answer.type === LDS) held.delete(name);
      if (answer.type === LDS) this.#activeRoutes.delete(name);
    }
    if (answer.type === CDS) this.#mayLoseClusters = false;
  }

  #assertUnused(cluster: string): void {
    for (const [listener, route] of this.#activeRoutes) {
      const [, clusters = ''] = this.#of(RDS).get(route)?.text.split('|') ?? [];
      assert.ok(
        !clusters.split(',').includes(cluster),
        `${cluster} is taken away although ${route} of ${listener} names it`,
      );
    }
  }

  /** What follows from what is held now: other routes at work, other names asked for. */
  #follow(): void {
    const routes = new Set<string>();
    for (const [listener, { text }] of this.#of(LDS)) {
      const route = text.slice(text.indexOf('|') + 1);
      if (this.#of(RDS).has(route)) this.#activeRoutes.set(listener, route);
      routes.add(route);
      const active = this.#activeRoutes.get(listener);
      if (active !== undefined) routes.add(active);
    }
    this.#ask(RDS, routes);
    this.#ask(EDS, new Set(this.#of(CDS).keys()));
  }

  #ask(type: string, wanted: ReadonlySet<string>): void {
    const asked = this.#asked.get(type) ?? new Set();
    const subscribe = [...wanted].filter((name) => !asked.has(name));
    const unsubscribe = [...asked].filter((name) => !wanted.has(name));
    if (subscribe.length + unsubscribe.length === 0) return;
    this.#asked.set(type, new Set(wanted));
    for (const name of unsubscribe) this.#of(type).delete(name);
    if (this.#variant === 'delta') this.#toServer.push({ type, subscribe, unsubscribe });
    else this.#toServer.push({ type, names: [...wanted], ...this.#state(type) });
  }

  #answer(answer: Answer, error: string | undefined): void {
    const { type, nonce } = answer;
    const names = [...(this.#asked.get(type) ?? [])];
    this.#toServer.push({
      type,
      names,
      ...this.#state(type),
      nonce,
      ...(error === undefined ? {} : { error }),
    });
  }

  #state(type: string): { nonce?: string; version: string } {
    const nonce = this.#nonces.get(type);
    return { ...(nonce === undefined ? {} : { nonce }), version: this.#versions.get(type) ?? '' };
  }
}

function fromEntries<T>(
  held: ReadonlyMap<string, Held>,
  map: (held: Held, name: string) => T,
): Record<string, T> {
  return Object.fromEntries([...held].sort().map(([name, resource]) => [name, map(resource, name)]));
}

function readSotw(bytes: Buffer): Answer {
  const { typeUrl, nonce, versionInfo, resources } =
    envoy.service.discovery.v3.DiscoveryResponse.decode(bytes);
  const byName = new Map<string, Held>();
  for (const { value } of resources) {
    const { name, altStatName } = Cluster.decode(value);
    byName.set(name, { text: altStatName, version: '' });
  }
  return { type: typeUrl, nonce, version: versionInfo, resources: byName, removed: [] };
}

function readDelta(bytes: Buffer): Answer {
  const answer = envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(bytes);
  const byName = new Map<string, Held>();
  for (const { name, version, resource } of answer.resources) {
    byName.set(name, { text: Cluster.decode(resource?.value ?? new Uint8Array()).altStatName, version });
  }
  const { typeUrl, nonce, systemVersionInfo, removedResources } = answer;
  return { type: typeUrl, nonce, version: systemVersionInfo, resources: byName, removed: removedResources };
}
