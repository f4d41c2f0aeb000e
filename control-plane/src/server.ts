import { systemRandom, type Clock, type Logger, type Random } from '@heddle/common';
import type { Server } from '@grpc/grpc-js';
import type { envoy } from '@heddle/xds-protos';
import { ApiServer } from './api/api-server.js';
import { createApiRoutes } from './api/api-routes.js';
import { AppliedResources } from './api/applied-resources.js';
import { dashboardViews } from './api/dashboard-routes.js';
import type { DashboardSources } from './api/dashboard-views.js';
import { LiveStream } from './api/live-stream.js';
import type { Caller } from './ca/caller.js';
import { CanaryController } from './canary/canary-controller.js';
import { CanaryFiles } from './canary/canary-files.js';
import { CanarySight } from './canary/canary-sight.js';
import { CertificateAuthority } from './ca/certificate-authority.js';
import { createControlPlaneMetrics } from './control-plane-metrics.js';
import { createAddressGuard } from './jwks/address-guard.js';
import { fetchDocument } from './jwks/fetch-document.js';
import { KeySetFiles } from './jwks/key-set-files.js';
import { KeySetStore } from './jwks/key-set-store.js';
import { loadKeySet } from './jwks/load-key-set.js';
import { OriginBreakers } from './jwks/origin-breakers.js';
import { createGrpcServer, PlaintextPort } from './grpc/grpc-server.js';
import { emptyMeshState, nextMeshState, type MeshState } from './mesh-state.js';
import { diffModels } from './model/diff-models.js';
import { KnownWorkloads } from './model/known-workloads.js';
import type { MeshModel } from './model/mesh-model.js';
import { defaultMeshSettings, type MeshSettings, type OutboundTrafficPolicy } from './model/mesh-settings.js';
import { wantedKeySources } from './model/request-authentication.js';
import { encodeLoadAssignments, encodeResources } from './snapshot/encode-resources.js';
import { SnapshotCache } from './snapshot/snapshot-cache.js';
import { createFileSource, type FileSource, type SourceChange } from './source/file-source.js';
import { MetricsCollector, createMetricsFetch } from './traffic/metrics-collector.js';
import { TrafficStore } from './traffic/traffic-store.js';
import { InjectionWebhook } from './webhook/injection-webhook.js';
import { InjectorConfigFile } from './webhook/injector-config-file.js';
import { translateProxy, translateServiceEndpoints } from './translate/translate-proxy.js';
import { adminAddressOf, proxyViewOf, viewKey, type ProxyView } from './translate/proxy-view.js';
import { AdsService, type NodeView } from './xds-server/ads-service.js';

export interface ControlPlaneOptions {
  /** Folders of YAML: what users write, and what a launcher writes about running instances. */
  readonly folders: readonly string[];
  /** Where resources go that are written through the API; watched like the others. undefined: the API is read-only. */
  readonly appliedFolder: string | undefined;
  /** `host:port` for xDS in plain text: loopback. */
  readonly xdsAddress: string;
  /** undefined: no certificates, no TLS, and xDS for whoever reaches its port. */
  readonly identity?: IdentityOptions | undefined;
  /** undefined: pods are not injected. It needs `identity`, for the webhook is served with heddled's certificate. */
  readonly injection?: InjectionOptions | undefined;
  /** undefined: not from this machine, and not kept across restarts. */
  readonly keySets?: KeySetOptions;
  readonly apiHost: string;
  readonly apiPort: number;
  /** Names beside loopback by which the API may be called. */
  readonly apiAllowedHosts: readonly string[];
  readonly token: string;
  /** The namespace whose policies hold for the whole mesh. Default `istio-system`. */
  readonly rootNamespace?: string;
  /** Default ALLOW_ANY. */
  readonly outboundTrafficPolicy?: OutboundTrafficPolicy;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where it is kept how far canaries are; undefined: nowhere, and they begin anew with every start. */
  readonly canaryFolder?: string | undefined;
  /** Told of every state; the first comes before `start` resolves. */
  readonly onState?: (state: MeshState, change: SourceChange) => void;
}

/** Where a control plane is reached. */
export interface ListeningPorts {
  readonly xdsPort: number;
  readonly apiPort: number;
  /** undefined without an authority. */
  readonly xdsTlsPort: number | undefined;
  /** undefined without injection. */
  readonly webhookPort: number | undefined;
  /** PEM of the roots by which heddled and every workload are checked. */
  readonly rootsFile: string | undefined;
}

/** How proxies prove who they are, and get certificates. */
export interface IdentityOptions {
  /** Where the authority keeps its root, its key and what it revoked. */
  readonly caFolder: string;
  readonly trustDomain: string;
  /** Where xDS and the authority are served over TLS, to those who prove who they are. */
  readonly tlsHost: string;
  readonly tlsPort: number;
  /** Names and addresses beside loopback by which proxies call. */
  readonly serverNames: readonly string[];
  /** Whether the plain-text port, too, is for those alone. `permissive`: who brings no token is whoever its node says. */
  readonly plaintext: 'required' | 'permissive';
  readonly random: Random;
}

/** Where the API server of Kubernetes asks about new pods. */
export interface InjectionOptions {
  /** How pods are injected; it is followed. */
  readonly configFile: string;
  readonly host: string;
  readonly port: number;
}

/** How keys of token issuers are fetched. */
export interface KeySetOptions {
  /** For issuers that run on this machine, as in a mesh on one. */
  readonly allowLoopback: boolean;
  /** Where the last good keys are kept across restarts; undefined: nowhere. */
  readonly folder: string | undefined;
  readonly random: Random;
}

const DEFAULT_KEY_SETS: KeySetOptions = Object.freeze({
  allowLoopback: false,
  folder: undefined,
  random: systemRandom,
});

/** Keys are waited for at the start, so that proxies do not lose the ones that they have from before. */
const KEYS_AT_START_MS = 5_000;

const MAX_KEY_SET_BYTES = 256 * 1024;

/** Owns every lifetime of heddled: read the sources, then serve. */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #cache: SnapshotCache<ProxyView>;
  readonly #ads: AdsService<ProxyView>;
  readonly #api: ApiServer;
  readonly #grpc: Server = createGrpcServer();
  readonly #plaintext: PlaintextPort;
  readonly #secureGrpc: Server = createGrpcServer();
  readonly #ca: CertificateAuthority | undefined;
  readonly #injectorConfig: InjectorConfigFile | undefined;
  readonly #webhook: InjectionWebhook | undefined;
  readonly #source: FileSource;
  readonly #settings: MeshSettings;
  readonly #breakers: OriginBreakers;
  readonly #keySets: KeySetStore;
  readonly #metricsFetch = createMetricsFetch();
  readonly #collector: MetricsCollector;
  readonly #live = new LiveStream();
  readonly #sight: CanarySight;
  readonly #canaries: CanaryController;
  #lastChange: SourceChange | undefined;
  #state: MeshState = emptyMeshState();
  /** The same objects for as long as the model is the same, for what was translated with them stays. */
  #withoutSecrets: { readonly of: MeshModel; readonly model: MeshModel } | undefined;
  #known: { readonly of: MeshState; readonly workloads: KnownWorkloads } | undefined;

  /** Errors: those of the authority's folder, and of the injector's configuration. */
  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    const { clock, log, identity, injection } = options;
    if (injection !== undefined) {
      const injectorLog = log.child('injector');
      const file = new InjectorConfigFile({ file: injection.configFile, clock, log: injectorLog });
      this.#injectorConfig = file;
      this.#webhook = new InjectionWebhook({ config: () => file.config, clock, log: injectorLog });
    }
    this.#settings = {
      rootNamespace: options.rootNamespace ?? defaultMeshSettings.rootNamespace,
      trustDomain: identity?.trustDomain ?? defaultMeshSettings.trustDomain,
      outboundTrafficPolicy: options.outboundTrafficPolicy ?? defaultMeshSettings.outboundTrafficPolicy,
    };
    this.#ca =
      identity === undefined
        ? undefined
        : new CertificateAuthority({ ...identity, folder: identity.caFolder, clock, log: log.child('ca') });
    this.#plaintext = new PlaintextPort(this.#grpc, log.child('xds-server'));
    this.#cache = new SnapshotCache<ProxyView>({
      translate: (view) => encodeResources(translateProxy(this.#modelFor(view), view)),
      keyOf: viewKey,
      onTranslationFailure: (view, cause) =>
        log.error('translation failed; the last good configuration stays', {
          view: viewKey(view),
          cause: String(cause),
        }),
    });
    this.#ads = new AdsService<ProxyView>({
      cache: this.#cache,
      clock,
      log: log.child('xds-server'),
      viewOf: (node, caller, peer) => {
        const found = this.#viewOf(node, caller);
        return 'view' in found ? { ...found, adminAddress: adminAddressOf(node, peer) } : found;
      },
    });
    this.#ca?.onRevocation((id) =>
      this.#ads.endStreams(({ tokenId }) => tokenId === id, 'the join token was revoked'),
    );
    const { allowLoopback, folder, random } = options.keySets ?? DEFAULT_KEY_SETS;
    const guard = createAddressGuard({ allowLoopback });
    this.#breakers = new OriginBreakers((url, timeoutMs) =>
      fetchDocument(url, { timeoutMs, maxBytes: MAX_KEY_SET_BYTES, guard, clock }),
    );
    const keyLog = log.child('jwks');
    this.#keySets = new KeySetStore({
      load: (source, timeoutMs) => loadKeySet(source, timeoutMs, this.#breakers.fetchText),
      files: folder === undefined ? undefined : new KeySetFiles(folder, keyLog),
      onChange: () => {
        if (this.#lastChange !== undefined) this.#update(this.#lastChange);
      },
      clock,
      random,
      log: keyLog,
    });
    const { appliedFolder } = options;
    this.#source = createFileSource({
      folders: appliedFolder === undefined ? options.folders : [...options.folders, appliedFolder],
      log: log.child('source.files'),
      clock,
      onChange: (change) => this.#onChange(change),
    });
    const traffic = new TrafficStore();
    this.#collector = new MetricsCollector({
      store: traffic,
      targets: () =>
        this.#ads
          .proxies()
          .flatMap(({ nodeId, adminAddress }) =>
            adminAddress === undefined ? [] : [{ nodeId, ...adminAddress }],
          ),
      fetchText: this.#metricsFetch.fetchText,
      clock,
      log: log.child('traffic'),
      onRound: () => {
        this.#canaries.tick();
        this.#live.publish(dashboardViews(dashboard));
      },
      // Whoever waits for a canary shall not wait for its figures.
      intervalMs: () => (this.#canaries.isUnderWay ? 1_000 : 2_000),
    });
    this.#sight = new CanarySight(traffic);
    const canaryLog = log.child('canary');
    const { canaryFolder } = options;
    this.#canaries = new CanaryController({
      files: canaryFolder === undefined ? undefined : new CanaryFiles(canaryFolder, canaryLog),
      endpoints: (canary) => this.#sight.endpoints(this.#state.model, canary),
      proxies: (canary) =>
        this.#sight.proxies(
          canary,
          this.#ads
            .proxies()
            .map(({ nodeId, types, view }) => ({ nodeId, types, snapshot: this.#cache.preview(view) })),
        ),
      counts: (canary) => this.#sight.counts(canary),
      countedSinceMs: () => this.#collector.completeSinceMs,
      onWeights: () => {
        if (this.#lastChange !== undefined) this.#update(this.#lastChange);
      },
      clock,
      log: canaryLog,
    });
    const dashboard: DashboardSources = {
      version: options.version,
      state: () => this.#state,
      proxies: () => this.#ads.proxies(),
      traffic,
      collector: this.#collector,
      canaries: this.#canaries,
      nowMs: () => clock.nowMs(),
    };
    const metrics = createControlPlaneMetrics({
      proxies: () => this.#ads.size,
      nacks: () => this.#ads.nacks,
      views: () => this.#cache.views,
      encodedResources: () => this.#cache.resources,
      resources: () => this.#state.resources.size,
      errors: () => this.#state.problems.filter(({ severity }) => severity === 'error').length,
      warnings: () => this.#state.problems.filter(({ severity }) => severity === 'warning').length,
      revision: () => this.#state.revision,
      refusedProxies: () => this.#ads.refused,
      ca: this.#ca,
      injectorConfig: this.#injectorConfig,
      webhook: this.#webhook,
      keySets: this.#keySets,
      traffic,
      collector: this.#collector,
    });
    this.#api = new ApiServer({
      token: options.token,
      allowedHosts: options.apiAllowedHosts,
      log: log.child('api'),
      routes: createApiRoutes({
        version: options.version,
        startedAtMs: clock.nowMs(),
        state: () => this.#state,
        proxies: () => this.#ads.proxies(),
        preview: (view) => this.#cache.preview(view),
        metrics,
        ca: this.#ca,
        applied: appliedFolder === undefined ? undefined : new AppliedResources(appliedFolder, this.#source),
        dashboard,
        live: this.#live,
      }),
    });
  }

  /** Resolves when the sources were read and every server listens. Errors: a port that is taken. */
  async start(): Promise<ListeningPorts> {
    await this.#source.ready;
    await this.#keySets.settled(KEYS_AT_START_MS);
    const { identity } = this.#options;
    const ca = this.#ca;
    let xdsTlsPort: number | undefined;
    if (ca === undefined || identity === undefined) {
      this.#ads.register(this.#grpc, () => ({ ok: true, caller: undefined }));
    } else {
      const isOpen = identity.plaintext === 'permissive';
      this.#ads.register(this.#grpc, (call) => {
        const verdict = ca.authenticator.authenticate(call);
        return isOpen && !verdict.ok && verdict.problem === 'no-proof'
          ? { ok: true, caller: undefined }
          : verdict;
      });
      this.#ads.register(this.#secureGrpc, (call) => ca.authenticator.authenticate(call));
      xdsTlsPort = await ca.listen(this.#secureGrpc, identity.tlsHost, identity.tlsPort);
    }
    const xdsPort = await this.#plaintext.listen(this.#options.xdsAddress);
    const apiPort = await this.#api.listen(this.#options.apiHost, this.#options.apiPort);
    const webhookPort = await this.#startWebhook();
    this.#collector.start();
    return { xdsPort, apiPort, xdsTlsPort, webhookPort, rootsFile: ca?.authority.rootsFile };
  }

  async close(): Promise<void> {
    this.#source.close();
    this.#collector.close();
    this.#metricsFetch.close();
    this.#live.close();
    this.#keySets.close();
    this.#breakers.close();
    this.#grpc.forceShutdown();
    await this.#plaintext.close();
    this.#secureGrpc.forceShutdown();
    this.#injectorConfig?.close();
    await this.#webhook?.close();
    await this.#ca?.close();
    await this.#api.close();
  }

  async #startWebhook(): Promise<number | undefined> {
    const { injection } = this.#options;
    const [webhook, ca] = [this.#webhook, this.#ca];
    if (injection === undefined || webhook === undefined || ca === undefined) return undefined;
    this.#injectorConfig?.follow();
    const context = ca.servingContext((next) => webhook.replaceContext(next));
    return webhook.listen(injection.host, injection.port, context);
  }

  #viewOf(node: envoy.config.core.v3.Node, caller: Caller | undefined): NodeView<ProxyView> {
    const found = proxyViewOf(node, caller?.identity);
    if (!found.ok) return { problem: found.problems.join('; '), isForeign: found.isForeign };
    if (caller !== undefined) {
      if (this.#known?.of !== this.#state) {
        this.#known = { of: this.#state, workloads: new KnownWorkloads(this.#state.resources.values()) };
      }
      const problem = this.#known.workloads.whyForeign(found.view);
      if (problem !== undefined) return { problem, isForeign: true };
    }
    if (caller === undefined && this.#ca !== undefined) return { view: { ...found.view, isUnproven: true } };
    return { view: found.view };
  }

  /** What there is for proxies of this view to see. */
  #modelFor(view: ProxyView): MeshModel {
    const { model } = this.#state;
    if (view.isUnproven !== true || model.secrets.size === 0) return model;
    if (this.#withoutSecrets?.of !== model) {
      this.#withoutSecrets = { of: model, model: { ...model, secrets: new Map() } };
    }
    return this.#withoutSecrets.model;
  }

  #onChange(change: SourceChange): void {
    this.#lastChange = change;
    this.#keySets.want(wantedKeySources(change.resources.values()));
    this.#update(change);
  }

  #update(change: SourceChange): void {
    const before = this.#state.model;
    this.#state = nextMeshState(this.#state, change, this.#settings, this.#keySets, this.#canaries.weights);
    this.#canaries.setCanaries(this.#state.model.canaries);
    this.#sight.retain(this.#state.model.canaries);
    const { model } = this.#state;
    const { endpointsOnly, services } = diffModels(before, model);
    if (!endpointsOnly) this.#cache.refresh();
    else if (services.length > 0) {
      this.#cache.refreshPart((view) =>
        encodeLoadAssignments(translateServiceEndpoints(model, view, services)),
      );
    }
    this.#options.onState?.(this.#state, change);
  }
}
