import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { FakeClock } from '@heddle/common';
import type { VirtualHostConfig } from '@heddle/engine';
import { envoy, typeUrls } from '@heddle/xds-protos';
import { ResourceSet, type ReceivedResource, type ResourceUpdate } from './resource-set.js';
import { virtualHostsType } from './resource-type.js';
import { VirtualHostWatches } from './virtual-host-watches.js';

describe('who waits for virtual hosts', () => {
  let resources: ResourceSet<VirtualHostConfig>;
  let watches: VirtualHostWatches;
  let told: string[];

  beforeEach(() => {
    resources = new ResourceSet(virtualHostsType);
    told = [];
    watches = new VirtualHostWatches(resources, {
      clock: new FakeClock(),
      defaultTimeoutMs: 1000,
      onNamesChanged: () => undefined,
      onDemandsChanged: () => undefined,
    });
  });

  const watch = (table: string) =>
    watches.watchTable(
      table,
      {
        onUpdate: (hosts) => told.push(`${table}: ${hosts.map(({ name }) => name).join()}`),
        onAbsent: (reason) => told.push(`${table} ${reason}`),
      },
      undefined,
    );

  /** What the configuration does with an answer; returns what was refused. */
  function receive(update: Partial<ResourceUpdate>): readonly string[] {
    const whole = { resources: [], removed: [], complete: false, ...update };
    const staged = resources.stage(watches.wanted(whole), 0);
    const conflicts = watches.conflicts(staged);
    resources.commit(staged, conflicts);
    watches.tell(whole, staged);
    return [...conflicts.keys()];
  }

  it('are tables, of which each hears of its own hosts, and at first also that there are none', () => {
    watch('one');
    watch('two');
    receive({ resources: [host('one/a.test', 'a.test'), host('three/c.test', 'c.test')] });
    assert.deepEqual(told, ['one: a.test', 'two: ']);
    receive({ resources: [host('two/b.test', 'b.test')] });
    receive({ removed: ['one/a.test'] });
    assert.deepEqual(told.slice(2), ['two: b.test', 'one: ']);
    assert.equal(resources.get('three/c.test'), undefined);
  });

  it('are told of no host whose domain another one of its table has', () => {
    watch('one');
    watch('two');
    assert.deepEqual(receive({ resources: [host('one/a', 'same.test'), host('two/a', 'same.test')] }), []);
    assert.deepEqual(receive({ resources: [host('one/b', 'same.test')] }), ['one/b']);
    assert.deepEqual(receive({ resources: [host('one/a', 'other.test'), host('one/b', 'same.test')] }), []);
  });

  it('are requests, which are answered after their table, also where there is no such host or the table goes', () => {
    const table = watch('one');
    const ask = (domain: string) => watches.ask('one', domain, () => told.push(`answer ${domain}`));
    ask('a.test');
    ask('b.test');
    assert.deepEqual(watches.names(), ['one', 'one/a.test', 'one/b.test']);
    const unknown = { name: 'one/b.test', version: '1', typeUrl: '', bytes: new Uint8Array(0) };
    receive({ resources: [{ ...host('one/all', 'a.test'), aliases: ['one/a.test'] }, unknown] });
    assert.deepEqual(told, ['one: a.test', 'answer a.test', 'answer b.test']);
    assert.deepEqual(watches.names(), ['one', 'one/a.test']);
    ask('c.test');
    table.close();
    assert.equal(told.at(-1), 'answer c.test');
    watch('one');
    assert.deepEqual(watches.names(), ['one']);
  });
});

function host(name: string, domain: string): ReceivedResource {
  const message = {
    name: domain,
    domains: [domain],
    routes: [{ match: { prefix: '/' }, directResponse: { status: 200 } }],
  };
  const bytes = envoy.config.route.v3.VirtualHost.encode(message).finish();
  return { name, version: '1', typeUrl: typeUrls.virtualHost, bytes };
}
