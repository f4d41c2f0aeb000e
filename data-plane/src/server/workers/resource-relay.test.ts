import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExtensionConfig } from '@heddle/engine';
import type { ResourceWatcher } from '../../config-source.js';
import type { ConfigurationClient } from '../configuration-client.js';
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
    const relay = new ResourceRelay(
      {
        configuration: configuration as ConfigurationClient,
        sds: () => undefined,
        ownSecrets: undefined,
      },
      () => undefined,
    );
    const [name, timeoutMs, cluster] = ['faults', undefined, undefined];
    relay.watch({ watch: 1, type: 'extension', name, timeoutMs, cluster, typeUrls: [FAULT] });
    const filter = (typeUrl: string): ExtensionConfig => ({ typeUrl }) as ExtensionConfig;
    assert.match(watcher?.whyNot?.(filter(RBAC)) ?? '', /RBAC, and only .*HTTPFault may be there/);
    assert.equal(watcher?.whyNot?.(filter(FAULT)), undefined);
  });
});
