import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import { buildModel } from './build-model.js';
import { effectiveTelemetry, type EffectiveTelemetry, type TelemetryMode } from './telemetry.js';

const cart = { namespace: 'shop', labels: { app: 'cart' } };

describe('effectiveTelemetry', () => {
  it('reports and logs everything where nobody says anything', () => {
    assert.deepEqual(at([]), { metrics: [], logs: true });
    assert.deepEqual(at([telemetry({ namespace: 'other', accessLogging: [{ disabled: true }] })]), {
      metrics: [],
      logs: true,
    });
  });

  it('lets a namespace overrule the mesh, and a workload its namespace', () => {
    const mesh = telemetry({ namespace: 'istio-system', accessLogging: [{ disabled: true }] });
    const shop = telemetry({ namespace: 'shop', accessLogging: [{}] });
    const own = telemetry({ namespace: 'shop', app: 'cart', accessLogging: [{ disabled: true }] });
    assert.equal(at([mesh]).logs, false);
    assert.equal(at([mesh, shop]).logs, true);
    assert.equal(at([mesh, shop, own]).logs, false);
  });

  it('tells the sides apart', () => {
    const client = telemetry({
      namespace: 'shop',
      accessLogging: [{ match: { mode: 'CLIENT' }, disabled: true }],
      metrics: [{ overrides: [{ match: { mode: 'CLIENT' }, disabled: true }] }],
    });
    assert.deepEqual(at([client], 'client'), { metrics: 'off', logs: false });
    assert.deepEqual(at([client], 'server'), { metrics: [], logs: true });
  });

  it('takes reporting away when every metric is off, until an override brings it back', () => {
    const mesh = telemetry({
      namespace: 'istio-system',
      metrics: [{ overrides: [{ match: { metric: 'ALL_METRICS' }, disabled: true }] }],
    });
    const shop = telemetry({
      namespace: 'shop',
      metrics: [{ overrides: [{ match: { metric: 'REQUEST_SIZE' }, disabled: true }] }],
    });
    assert.equal(at([mesh]).metrics, 'off');
    assert.deepEqual(at([mesh, shop]).metrics, [override('REQUEST_SIZE', { disabled: true })]);
  });

  it('merges the overrides of one metric, the more specific ones last', () => {
    const mesh = telemetry({
      namespace: 'istio-system',
      metrics: [
        {
          overrides: [
            { tagOverrides: { team: { value: "'a'" }, source_principal: { operation: 'REMOVE' } } },
            { match: { metric: 'REQUEST_COUNT' }, disabled: true },
          ],
        },
      ],
    });
    const shop = telemetry({
      namespace: 'shop',
      metrics: [
        {
          overrides: [
            { match: { metric: 'REQUEST_COUNT' }, disabled: false, tagOverrides: { team: { value: "'b'" } } },
          ],
        },
      ],
    });
    const { metrics } = at([mesh, shop]);
    assert.ok(metrics !== 'off');
    assert.equal(metrics.length, 10);
    assert.deepEqual(
      metrics[0],
      override('REQUEST_COUNT', { removed: ['source_principal'], set: { team: "'b'" } }),
    );
    assert.deepEqual(
      metrics[1],
      override('REQUEST_DURATION', { removed: ['source_principal'], set: { team: "'a'" } }),
    );
  });

  it('passes over custom metrics', () => {
    const shop = telemetry({
      namespace: 'shop',
      metrics: [{ overrides: [{ match: { customMetric: 'mine' }, disabled: true }] }],
    });
    assert.deepEqual(at([shop]), { metrics: [], logs: true });
  });
});

function override(metric: string, more: object): object {
  return { metric, disabled: false, removed: [], set: {}, ...more };
}

let created = 0;

function telemetry({
  namespace,
  app,
  ...spec
}: {
  namespace: string;
  app?: string;
  [field: string]: unknown;
}): object {
  return {
    apiVersion: 'telemetry.istio.io/v1',
    kind: 'Telemetry',
    metadata: { name: `t-${created++}`, namespace },
    spec: { ...spec, ...(app === undefined ? {} : { selector: { matchLabels: { app } } }) },
  };
}

function at(resources: readonly object[], mode: TelemetryMode = 'server'): EffectiveTelemetry {
  const text = JSON.stringify({ kind: 'List', items: resources });
  const { resources: read, problems } = parseMeshFile(text, 'a.yaml');
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  );
  const { model } = buildModel(new Map(read.map((resource) => [resource.key, resource])));
  return effectiveTelemetry(model.telemetries, cart, mode);
}
