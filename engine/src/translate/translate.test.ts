import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { envoy, fromJson, type ProtoProblem } from '@heddle/xds-protos';
import { HiddenText } from '../config/hidden-text.js';
import type { Translated } from '../config/problem.js';
import { LinearRegex } from '../route/linear-regex.js';
import { translateClusterLoadAssignment } from './cluster-load-assignment.js';
import { translateCluster } from './cluster.js';
import { translateExtensionConfig } from './extension-config.js';
import { translateListener } from './listener.js';
import { translateRouteConfiguration } from './route-configuration.js';
import { translateSecret } from './secret.js';

const root = new URL('../../testdata/translate/', import.meta.url);

describe('translation of xDS resources', () => {
  for (const kind of ['listener', 'route', 'cluster', 'endpoints', 'secret', 'extension']) {
    for (const name of cases(kind)) {
      it(`accepts ${kind}/${name} and yields the golden configuration`, () => {
        const translated = translateFile(kind, name);
        assert.ok(translated.ok, translated.ok ? '' : JSON.stringify(translated.problems, null, 2));
        checkGolden(kind, name, { config: translated.value, warnings: translated.warnings });
        assertFrozen(translated.value, name);
      });
    }
  }
});

describe('translation of broken resources', () => {
  it('has at least 30 of them', () => assert.ok(cases('broken').length >= 30));

  for (const name of cases('broken')) {
    it(`refuses ${name} and names every problem`, () => {
      const translated = translateFile('broken', name);
      assert.ok(!translated.ok, 'was accepted');
      checkGolden('broken', name, translated.problems);
    });
  }
});

describe('unknown fields', () => {
  const unknown = [0xfa, 0x3f, 1, 65]; // field 1023, a string

  it('are refused in a route match, where they could turn "match some" into "match all"', () => {
    const match = Buffer.from([
      ...envoy.config.route.v3.RouteMatch.encode({ prefix: '/' }).finish(),
      ...unknown,
    ]);
    const route = Buffer.concat([Buffer.from([0x0a, match.length]), match, Buffer.from([0x92, 0x01, 0])]);
    const host = Buffer.concat([Buffer.from([0x0a, 1, 118, 0x12, 1, 42, 0x1a, route.length]), route]);
    const bytes = Buffer.concat([Buffer.from([0x12, host.length]), host]);
    const translated = translateRouteConfiguration(envoy.config.route.v3.RouteConfiguration.decode(bytes));
    assert.ok(!translated.ok);
    assert.deepEqual(
      translated.problems.map((problem) => problem.path),
      ['virtual_hosts[0].routes[0].match'],
    );
  });

  it('are a warning where they decide nothing', () => {
    const name = envoy.config.route.v3.RouteConfiguration.encode({ name: 'r' }).finish();
    const bytes = Buffer.from([...name, ...unknown]);
    const translated = translateRouteConfiguration(envoy.config.route.v3.RouteConfiguration.decode(bytes));
    assert.ok(translated.ok);
    assert.equal(translated.warnings.length, 1);
  });
});

describe('a secret', () => {
  const { Secret } = envoy.extensions.transport_sockets.tls.v3;

  it('is refused for any field that is not known, because each may decide whom to trust', () => {
    const known = Secret.encode({
      name: 's',
      validationContext: { trustedCa: { inlineString: 'x' } },
    }).finish();
    const translated = translateSecret(Secret.decode(Buffer.from([...known, 0xfa, 0x3f, 1, 65])));
    assert.ok(!translated.ok);
    assert.match(translated.problems[0]?.message ?? '', /unknown field number 1023/);
  });

  it('shows its key in no text that is made of it, nor of what is wrong with it', () => {
    const key = 'PRIVATE-KEY-TEXT';
    for (const certificateChain of [{ inlineString: 'x' }, {}]) {
      const secret = Secret.create({
        name: 's',
        tlsCertificate: { certificateChain, privateKey: { inlineString: key } },
      });
      const text = inspect(translateSecret(secret), { depth: 20 }) + JSON.stringify(translateSecret(secret));
      assert.equal(text.includes(key), false);
    }
  });
});

describe('malformed extension bytes', () => {
  it('are a problem with a path, not an exception', () => {
    const typeUrl =
      'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
    const listener = envoy.config.listener.v3.Listener.create({
      name: 'l',
      address: { socketAddress: { address: '127.0.0.1', portValue: 0 } },
      filterChains: [
        { filters: [{ name: 'h', typedConfig: { typeUrl, value: Buffer.from([0x0a, 0xff]) } }] },
      ],
    });
    const translated = translateListener(listener);
    assert.ok(!translated.ok);
    assert.equal(translated.problems[0]?.path, 'filter_chains[0].filters[0].typed_config');
  });
});

function cases(kind: string): string[] {
  return readdirSync(new URL(`${kind}/`, root))
    .filter((file) => file.endsWith('.json') && !file.endsWith('.golden.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

function translateFile(kind: string, name: string): Translated<unknown> {
  const { '@type': typeUrl, ...resource } = JSON.parse(
    readFileSync(new URL(`${kind}/${name}.json`, root), 'utf8'),
  ) as Record<string, unknown>;
  const read = <T extends object>(type: Parameters<typeof fromJson<T>>[0]): T => {
    const problems: ProtoProblem[] = [];
    const message = fromJson(type, resource, problems);
    assert.deepEqual(problems, []);
    return message as T;
  };
  switch (String(typeUrl).slice('type.googleapis.com/'.length)) {
    case 'envoy.config.listener.v3.Listener':
      return translateListener(read(envoy.config.listener.v3.Listener));
    case 'envoy.config.route.v3.RouteConfiguration':
      return translateRouteConfiguration(read(envoy.config.route.v3.RouteConfiguration));
    case 'envoy.config.cluster.v3.Cluster':
      return translateCluster(read(envoy.config.cluster.v3.Cluster));
    case 'envoy.config.endpoint.v3.ClusterLoadAssignment':
      return translateClusterLoadAssignment(read(envoy.config.endpoint.v3.ClusterLoadAssignment));
    case 'envoy.config.core.v3.TypedExtensionConfig':
      return translateExtensionConfig(read(envoy.config.core.v3.TypedExtensionConfig));
    case 'envoy.extensions.transport_sockets.tls.v3.Secret':
      return translateSecret(read(envoy.extensions.transport_sockets.tls.v3.Secret));
    default:
      throw new Error(`${name}: unexpected type ${String(typeUrl)}`);
  }
}

/** With UPDATE_GOLDENS set, writes what is there instead of comparing; look at the difference before committing it. */
function checkGolden(kind: string, name: string, actual: unknown): void {
  const file = new URL(`${kind}/${name}.golden.json`, root);
  const text = `${JSON.stringify(actual, plain, 2)}\n`;
  if (process.env['UPDATE_GOLDENS'] !== undefined) writeFileSync(file, text);
  else assert.equal(text, readFileSync(file, 'utf8'));
}

function plain(_key: string, value: unknown): unknown {
  if (value instanceof LinearRegex) return { regex: value.source };
  // Its digest differs from run to run.
  if (value instanceof HiddenText) return { hidden: value.reveal() };
  if (value instanceof Map) return Object.fromEntries(value as Map<string, unknown>);
  return typeof value === 'symbol' ? value.toString() : value;
}

function assertFrozen(value: unknown, path: string): void {
  if (typeof value !== 'object' || value === null || value instanceof LinearRegex || value instanceof Map)
    return;
  assert.ok(Object.isFrozen(value), `${path} is not frozen`);
  for (const [name, inner] of Object.entries(value)) assertFrozen(inner, `${path}.${name}`);
}
