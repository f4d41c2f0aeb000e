import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  faultWithRuntime,
  runtimeValueOf,
  translateRuntime,
  type FaultConfig,
  type RuntimeResourceConfig,
  type RuntimeValue,
} from '@heddle/engine';
import { envoy } from '@heddle/xds-protos';
import fc from 'fast-check';
import type { ConfigSource, ResourceSubscription, ResourceWatcher } from '../config-source.js';
import { StatsStore } from '../stats/stats-store.js';
import { LiveRoutes } from '../http/live-routes.js';
import { routeConfig, routeTo } from '../testing/proxy-under-test.js';
import { Runtime } from './runtime.js';

describe('runtime settings', () => {
  it('are those of the last layer that has them, shares being whole numbers of percent, fractions or flags', () => {
    const runtime = new Runtime([
      { kind: 'static', name: 'base', values: values({ a: 10, b: 20, c: 'x', d: true }) },
      { kind: 'static', name: 'top', values: values({ b: 30 }) },
    ]);
    assert.equal(runtime.ratio('a', 1), 0.1);
    assert.equal(runtime.ratio('b', 1), 0.3);
    assert.equal(runtime.ratio('c', 0.5), 0.5);
    assert.equal(runtime.ratio('d', 0), 1);
    assert.equal(runtime.ratio('none', 0.7), 0.7);
    assert.equal(runtime.ratio(undefined, 0.7), 0.7);
    assert.equal(runtime.integer('a', 0), 10);
    assert.equal(runtime.integer('c', 7), 7);
  });

  it('change by the admin layer, within a bound, and tell who listens', () => {
    const stats = new StatsStore();
    const runtime = new Runtime([{ kind: 'admin', name: 'admin' }], stats);
    let changes = 0;
    const unwatch = runtime.onChange(() => changes++);
    assert.equal(runtime.isEmpty, true);
    assert.equal(runtime.modify(new Map([['k', '25']])), undefined);
    assert.equal(runtime.ratio('k', 1), 0.25);
    assert.equal(runtime.modify(new Map([['k', '']])), undefined);
    assert.equal(runtime.isEmpty, true);
    const many = new Map(Array.from({ length: 1001 }, (_, i) => [`k${i}`, '1'] as const));
    assert.match(runtime.modify(many) ?? '', /more than 1000/);
    assert.equal(changes, 2);
    unwatch();
    runtime.modify(new Map([['k', '1']]));
    assert.equal(changes, 2);
    assert.equal(stats.gauge('runtime.num_keys').value, 1);
    assert.match(new Runtime().modify(new Map([['k', '1']])) ?? '', /no admin layer/);
  });

  it('come over the stream to the control plane, and go with their layer', () => {
    const source = new FakeSource();
    const runtime = new Runtime([{ kind: 'rtds', name: 'layer', resource: 'of-the-mesh' }]);
    runtime.start(source as unknown as ConfigSource);
    assert.equal(source.name, 'of-the-mesh');
    source.watcher?.onUpdate({ name: 'of-the-mesh', values: values({ k: 50 }) });
    assert.equal(runtime.ratio('k', 1), 0.5);
    source.watcher?.onAbsent('timeout');
    assert.equal(runtime.ratio('k', 1), 0.5);
    source.watcher?.onAbsent('removed');
    assert.equal(runtime.ratio('k', 1), 1);
    runtime.close();
    assert.equal(source.watcher, undefined);
  });

  it('decide which share of requests a route takes, from the next request on', () => {
    const runtime = new Runtime([{ kind: 'admin', name: 'admin' }]);
    const live = new LiveRoutes({ formatContext: {}, runtime, configSource: undefined });
    const answer = (status: number, match: object = {}) => {
      const route = routeTo('/', { kind: 'direct-response', status, body: '' });
      return { ...route, match: { ...route.match, ...match } };
    };
    live.use(routeConfig([answer(201, { runtimeFraction: 0, runtimeKey: 'canary' }), answer(200)]));
    const status = (): number => {
      const found = live.table?.find(
        { authority: 'a', path: '/', method: 'GET', headers: { get: () => undefined } } as never,
        () => 0.5,
        false,
      );
      assert.ok(found?.matched && found.route.action.kind === 'direct-response');
      return found.route.action.status;
    };
    assert.equal(status(), 200);
    runtime.modify(new Map([['canary', '60']]));
    assert.equal(status(), 201);
    live.use(routeConfig([answer(203)]));
    runtime.modify(new Map([['canary', '0']]));
    assert.equal(status(), 203);
    live.close();
  });

  it("stand in for what the fault filter is configured with, under Envoy's keys and others", () => {
    const config: FaultConfig = {
      delay: { source: { kind: 'fixed', delayMs: 5 }, ratio: 0 },
      abort: { source: { kind: 'http', status: 503 }, ratio: 0 },
      headers: [],
      upstreamCluster: '',
      downstreamNodes: [],
      maxActiveFaults: undefined,
      runtimeKeys: { abortPercent: 'mine' },
    };
    assert.equal(faultWithRuntime(config, new Runtime()), config);
    const runtime = new Runtime([
      {
        kind: 'static',
        name: 's',
        values: values({
          'fault.http.delay.fixed_delay_percent': 100,
          'fault.http.delay.fixed_duration_ms': 7,
          'fault.http.abort.abort_percent': 1,
          'fault.http.abort.http_status': 999,
          'fault.http.max_active_faults': 3,
          mine: 40,
        }),
      },
    ]);
    const effective = faultWithRuntime(config, runtime);
    assert.deepEqual(effective.delay, { source: { kind: 'fixed', delayMs: 7 }, ratio: 1 });
    assert.deepEqual(effective.abort, { source: { kind: 'http', status: 503 }, ratio: 0.4 });
    assert.equal(effective.maxActiveFaults, 3);
  });
});

describe('a layer of runtime settings', () => {
  const translate = (layer: object) =>
    translateRuntime(envoy.service.runtime.v3.Runtime.create({ name: 'r', layer: struct(layer) }));

  it('may be nested, and holds fractions', () => {
    const translated = translate({
      a: { b: 1, c: { numerator: 5, denominator: 'TEN_THOUSAND' } },
      'd.e': 'x',
    });
    assert.ok(translated.ok);
    assert.deepEqual(
      [...translated.value.values].map(([key, { ratio, text }]) => [key, ratio, text]),
      [
        ['a.b', 0.01, '1'],
        ['a.c', 0.0005, '{"numerator":5,"denominator":"TEN_THOUSAND"}'],
        ['d.e', undefined, 'x'],
      ],
    );
  });

  it('is refused where it holds what is no setting, or too much', () => {
    const list = translate({ a: { b: [1] } });
    assert.deepEqual(!list.ok && list.problems.map(({ path }) => path), ['layer.a.b']);
    const many = translate(Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`k${i}`, i])));
    assert.match(!many.ok ? (many.problems[0]?.message ?? '') : '', /10000 is the most/);
  });

  it('never makes a share that is none of 0 to 1, whatever it holds', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double(), fc.integer(), fc.boolean(), fc.jsonValue()), (value) => {
        const ratio = runtimeValueOf(value)?.ratio;
        assert.ok(ratio === undefined || (ratio >= 0 && ratio <= 1));
      }),
    );
  });
});

function values(of: Readonly<Record<string, unknown>>): ReadonlyMap<string, RuntimeValue> {
  return new Map(Object.entries(of).map(([key, value]) => [key, runtimeValueOf(value) ?? assert.fail(key)]));
}

type Value = { readonly structValue: object } | Readonly<Record<string, unknown>>;

function struct(of: object): object {
  const valueOf = (value: unknown): Value => {
    if (typeof value === 'number') return { numberValue: value };
    if (typeof value === 'string') return { stringValue: value };
    if (Array.isArray(value)) return { listValue: { values: value.map(valueOf) } };
    return { structValue: struct(value as object) };
  };
  return { fields: Object.fromEntries(Object.entries(of).map(([key, value]) => [key, valueOf(value)])) };
}

class FakeSource {
  name = '';
  watcher: ResourceWatcher<RuntimeResourceConfig> | undefined = undefined;

  watchRuntime(name: string, watcher: ResourceWatcher<RuntimeResourceConfig>): ResourceSubscription {
    this.name = name;
    this.watcher = watcher;
    return { close: () => void (this.watcher = undefined) };
  }
}
