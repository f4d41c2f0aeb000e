import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExtensionConfig } from '@heddle/engine';
import { envoy } from '@heddle/xds-protos';
import type { ResourceWatcher } from '../../config-source.js';
import type { ConfigurationClient } from '../configuration-client.js';
import type { MainThread } from '../thread-parts.js';
import { ResourceRelay } from './resource-relay.js';

const RBAC = 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC';
const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';

describe('ResourceRelay', () => {
  it('refuses a fetched filter that the worker could not use, so that the control plane hears of it', () => {
    let watcher: ResourceWatcher<ExtensionConfig> | undefined;
    const configuration: Pick<ConfigurationClient, 'watchExtension'> = {
      watchExtension: (_name, wanted) => {
        watcher = wanted;
        return { close: () => undefined };
      },
    };
    const relay = new ResourceRelay(mainWith(configuration), () => undefined);
    const [name, timeoutMs, cluster] = ['faults', undefined, undefined];
    relay.watch({ watch: 1, type: 'extension', name, timeoutMs, cluster, typeUrls: [FAULT] });
    const filter = (typeUrl: string): ExtensionConfig => ({ typeUrl }) as ExtensionConfig;
    assert.match(watcher?.whyNot?.(filter(RBAC)) ?? '', /RBAC, and only .*HTTPFault may be there/);
    assert.equal(watcher?.whyNot?.(filter(FAULT)), undefined);
  });

  it('hands a table of routes its own virtual hosts, and not those of one whose name is longer', () => {
    const updates: (() => void)[] = [];
    const names = ['table/a.test', 'table/longer/b.test', 'tables/c.test'];
    const configuration: Pick<ConfigurationClient, 'watchVirtualHosts' | 'resources'> = {
      watchVirtualHosts: (_name, watcher) => {
        updates.push(() => watcher.onUpdate([]));
        return { close: () => undefined };
      },
      resources: () => ({
        ...{ versionInfo: '', missing: [], refused: [] },
        held: names.map((name) => ({ name, bytes: Buffer.from(name), version: '', updatedAtMs: 0 })),
      }),
    };
    const handed: (readonly string[])[] = [];
    const relay = new ResourceRelay(mainWith(configuration), ({ bytes = NOTHING }) =>
      handed.push(
        envoy.service.discovery.v3.DiscoveryResponse.decode(bytes).resources.map(({ value }) =>
          Buffer.from(value).toString(),
        ),
      ),
    );
    const nobody = { timeoutMs: undefined, cluster: undefined, typeUrls: undefined };
    relay.watch({ watch: 1, type: 'virtualHosts', name: 'table', ...nobody });
    relay.watch({ watch: 2, type: 'virtualHosts', name: 'table/longer', ...nobody });
    for (const update of updates) update();
    assert.deepEqual(handed, [['table/a.test'], ['table/longer/b.test']]);
  });
});

const NOTHING = new Uint8Array();

function mainWith(configuration: Partial<ConfigurationClient>): MainThread {
  return {
    configuration: configuration as ConfigurationClient,
    sds: () => undefined,
    ownSecrets: undefined,
  };
}
