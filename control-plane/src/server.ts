import type { Clock, Logger } from '@heddle/common';
import type { Server } from '@grpc/grpc-js';
import { ApiServer } from './api/api-server.js';
import { createApiRoutes } from './api/api-routes.js';
import { AppliedResources } from './api/applied-resources.js';
import { createControlPlaneMetrics } from './control-plane-metrics.js';
import { emptyMeshState, nextMeshState, type MeshState } from './mesh-state.js';
import { diffModels } from './model/diff-models.js';
import { encodeLoadAssignments, encodeResources } from './snapshot/encode-resources.js';
import { SnapshotCache } from './snapshot/snapshot-cache.js';
import { createFileSource, type FileSource, type SourceChange } from './source/file-source.js';
import { translateProxy, translateServiceEndpoints } from './translate/translate-proxy.js';
import { proxyViewOf, viewKey, type ProxyView } from './translate/proxy-view.js';
import { AdsService, bindPlaintext, createGrpcServer } from './xds-server/ads-service.js';

export interface ControlPlaneOptions {
  /** Folders of YAML: what users write, and what a launcher writes about running instances. */
  readonly folders: readonly string[];
  /** Where resources go that are written through the API; watched like the others. undefined: the API is read-only. */
  readonly appliedFolder: string | undefined;
  /** `host:port` for xDS in plain text. Loopback unless there is a reason. */
  readonly xdsAddress: string;
  readonly apiHost: string;
  readonly apiPort: number;
  /** Names beside loopback by which the API may be called. */
  readonly apiAllowedHosts: readonly string[];
  readonly token: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of every state; the first comes before `start` resolves. */
  readonly onState?: (state: MeshState, change: SourceChange) => void;
}

/** Owns every lifetime of heddled: read the sources, then serve. */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #cache: SnapshotCache<ProxyView>;
  readonly #ads: AdsService<ProxyView>;
  readonly #api: ApiServer;
  readonly #grpc: Server = createGrpcServer();
  readonly #source: FileSource;
  #state: MeshState = emptyMeshState();

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#cache = new SnapshotCache<ProxyView>({
      translate: (view) => encodeResources(translateProxy(this.#state.model, view)),
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
      viewOf: (node) => {
        const found = proxyViewOf(node);
        return found.ok ? { view: found.view } : { problem: found.problems.join('; ') };
      },
    });
    const { appliedFolder } = options;
    this.#source = createFileSource({
      folders: appliedFolder === undefined ? options.folders : [...options.folders, appliedFolder],
      log: log.child('source.files'),
      clock,
      onChange: (change) => this.#onChange(change),
    });
    const metrics = createControlPlaneMetrics({
      proxies: () => this.#ads.size,
      nacks: () => this.#ads.nacks,
      views: () => this.#cache.views,
      encodedResources: () => this.#cache.resources,
      resources: () => this.#state.resources.size,
      errors: () => this.#state.problems.filter(({ severity }) => severity === 'error').length,
      warnings: () => this.#state.problems.filter(({ severity }) => severity === 'warning').length,
      revision: () => this.#state.revision,
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
        applied: appliedFolder === undefined ? undefined : new AppliedResources(appliedFolder, this.#source),
      }),
    });
  }

  /** Resolves when the sources were read and both servers listen. Errors: a port that is taken. */
  async start(): Promise<{ readonly xdsPort: number; readonly apiPort: number }> {
    await this.#source.ready;
    this.#ads.register(this.#grpc);
    const xdsPort = await bindPlaintext(this.#grpc, this.#options.xdsAddress);
    const apiPort = await this.#api.listen(this.#options.apiHost, this.#options.apiPort);
    return { xdsPort, apiPort };
  }

  async close(): Promise<void> {
    this.#source.close();
    this.#grpc.forceShutdown();
    await this.#api.close();
  }

  #onChange(change: SourceChange): void {
    const before = this.#state.model;
    this.#state = nextMeshState(this.#state, change);
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
