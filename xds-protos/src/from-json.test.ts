import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { envoy, fromJson, google, packAny, toJson, type ProtoProblem } from './index.js';

const { Bootstrap } = envoy.config.bootstrap.v3;
const hcm =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

function problemsOf(type: string, json: unknown): string[] {
  const problems: ProtoProblem[] = [];
  fromJson(type, json, problems);
  return problems.map(({ path, message }) => `${path}: ${message}`);
}

describe('reading JSON', () => {
  it('names every problem with its path, and reads the rest', () => {
    const problems: ProtoProblem[] = [];
    const bootstrap = fromJson(
      Bootstrap,
      {
        node: { id: 7, cluster: 'c' },
        static_resource: {},
        staticResources: {
          listeners: [
            {
              name: 'l',
              address: { socket_address: { address: '::', port_value: 70000.5, named_port: 'x' } },
              filter_chains: [
                {
                  filters: [
                    {
                      name: 'h',
                      typed_config: {
                        '@type': hcm,
                        codec_type: 'AUT',
                        stream_idle_timeout: '5m',
                        route_confg: {},
                      },
                    },
                  ],
                },
              ],
              filter_chain_matcher: {},
            },
            'listener',
          ],
          clusters: [
            { name: 'ok', connect_timeout: '1.5s', metadata: { filter_metadata: { 'a.b': [1] } } },
            null,
          ],
        },
      },
      problems,
    );
    assert.deepEqual(
      problems.map(({ path }) => path),
      [
        'node.id',
        'static_resource',
        'staticResources.listeners[0].address.socket_address.port_value',
        'staticResources.listeners[0].address.socket_address.named_port',
        'staticResources.listeners[0].filter_chains[0].filters[0].typed_config.codec_type',
        'staticResources.listeners[0].filter_chains[0].filters[0].typed_config.stream_idle_timeout',
        'staticResources.listeners[0].filter_chains[0].filters[0].typed_config.route_confg',
        'staticResources.listeners[0].filter_chain_matcher',
        'staticResources.listeners[1]',
        'staticResources.clusters[0].metadata.filter_metadata["a.b"]',
        'staticResources.clusters[1]',
      ],
    );
    const messages = problems.map(({ message }) => message).join('\n');
    for (const expected of [
      'expected a string, found the number 7',
      'did you mean static_resources?',
      'only one of port_specifier may be set, and port_value is already',
      'did you mean AUTO?',
      'expected a duration in seconds with the unit s, such as 1.5s, found the string "5m"',
      'did you mean route_config?',
      'not supported: filter_chain_matcher (xds.type.matcher.v3.Matcher)',
    ])
      assert.ok(messages.includes(expected), `${expected} is not in\n${messages}`);
    assert.equal(bootstrap.node?.cluster, 'c');
    assert.equal(bootstrap.staticResources?.clusters[0]?.connectTimeout?.nanos, 500_000_000);
  });

  it('refuses each kind of mistake', () => {
    const cases: readonly [string, unknown, RegExp][] = [
      ['envoy.config.core.v3.Node', [], /^: expected an object, found a list$/],
      ['envoy.config.core.v3.Node', null, /^: expected an object, found null$/],
      ['envoy.config.core.v3.Node', { extensions: {} }, /^extensions: expected a list, found an object$/],
      [
        'envoy.config.core.v3.Node',
        { userAgentName: 'a', user_agent_name: 'b' },
        /^user_agent_name: set twice/,
      ],
      ['envoy.config.core.v3.Node', { idd: 1 }, /did you mean id\?$/],
      ['envoy.config.core.v3.Node', { 'i d': 1 }, /^\["i d"\]: unknown field/],
      ['envoy.config.core.v3.Node', { id: '\ud800' }, /^id: not well-formed Unicode$/],
      ['envoy.config.core.v3.Pipe', { mode: -1 }, /^mode: -1 is not an uint32/],
      ['envoy.config.core.v3.Pipe', { mode: '0x1' }, /^mode: expected an integer/],
      ['envoy.config.core.v3.SocketAddress', { ipv4_compat: 'yes' }, /^ipv4_compat: expected true or false/],
      ['envoy.config.core.v3.DataSource', { inline_bytes: '*' }, /^inline_bytes: expected base64/],
      ['envoy.type.v3.Percent', { value: 'a' }, /^value: expected a number/],
      ['google.protobuf.Duration', '400000000000s', /at most/],
      ['google.protobuf.Timestamp', '2026-02-29T00:00:00Z', /no such day/],
      ['google.protobuf.Timestamp', 5, /expected a time/],
      ['google.protobuf.FieldMask', 'a_b', /lowerCamelCase/],
      ['google.protobuf.Int64Value', '9007199254740993', /that a number can hold/],
      ['google.protobuf.Value', NaN, /finite/],
      ['google.protobuf.Any', { value: 1 }, /^: @type is missing/],
      ['google.protobuf.Any', { '@type': 5 }, /^@type: expected a string/],
      ['google.protobuf.Any', { '@type': 'envoy.config.core.v3.Node' }, /^@type: expected a URL/],
      [
        'google.protobuf.Any',
        { '@type': 'x/envoy.config.core.v3.Nod' },
        /did you mean envoy.config.core.v3.Node\?/,
      ],
      ['google.protobuf.Any', { '@type': 'x/google.protobuf.Duration' }, /^value: missing/],
      [
        'google.protobuf.Any',
        { '@type': 'x/google.protobuf.Duration', value: '1s', more: 1 },
        /^more: unknown/,
      ],
      ['no.such.Type', {}, /^: unknown message type "no.such.Type"$/],
    ];
    for (const [type, json, expected] of cases) {
      const problems = problemsOf(type, json);
      assert.equal(problems.length, 1, `${type}: ${problems.join('; ')}`);
      assert.match(problems[0] ?? '', expected);
    }
  });

  it('stops at a hundred levels, and after a thousand problems says that there are more', () => {
    let nested: unknown = { any: true };
    for (let level = 0; level < 100_000; level++) nested = { not_rule: nested };
    assert.match(problemsOf('envoy.config.rbac.v3.Permission', nested).join(), /nested too deeply/);
    let value: unknown = 1;
    for (let level = 0; level < 100_000; level++) value = [value];
    assert.match(problemsOf('google.protobuf.Value', value).join(), /nested too deeply/);
    const many = problemsOf('envoy.config.core.v3.Node', {
      extensions: Array.from({ length: 5000 }, () => 1),
    });
    assert.equal(many.length, 1001);
    assert.match(many.at(-1) ?? '', /more problems/);
  });

  it('accepts whatever it accepts for encoding, up to the deepest level', () => {
    for (let levels = 20; levels <= 60; levels++) {
      let value: unknown = 1;
      for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
      const problems: ProtoProblem[] = [];
      const any = fromJson(google.protobuf.Any, { '@type': 'x/google.protobuf.Value', value }, problems);
      if (problems.length === 0)
        assert.deepEqual(toJson(google.protobuf.Any, any), { '@type': 'x/google.protobuf.Value', value });
    }
  });

  it('takes null for unset, except where null is a value', () => {
    const problems: ProtoProblem[] = [];
    const node = fromJson(
      envoy.config.core.v3.Node,
      { id: null, metadata: { a: null }, locality: null, extensions: null },
      problems,
    );
    assert.deepEqual(problems, []);
    assert.equal(node.locality, null);
    assert.equal(node.metadata?.fields['a']?.kind, 'nullValue');
  });

  it('gives messages like those that decode gives', () => {
    const json = {
      id: 'a',
      locality: { zone: 'z' },
      metadata: { a: [1, { b: null }] },
      extensions: [{ name: 'e' }],
    };
    const { Node } = envoy.config.core.v3;
    const node = fromJson(Node, json, []);
    assert.deepEqual(node, Node.decode(Node.encode(node).finish()));
    assert.deepEqual(toJson(Node, node), json);
  });
});

describe('writing JSON', () => {
  it('keeps an Any that it cannot read as base64', () => {
    const { Any } = google.protobuf;
    const unknown = { typeUrl: 'type.googleapis.com/a.B', value: Buffer.from('x') };
    assert.deepEqual(toJson(Any, unknown), { '@type': 'type.googleapis.com/a.B', value: 'eA==' });
    const broken = { ...packAny('envoy.config.core.v3.Node', {}), value: Buffer.from([0xff]) };
    assert.deepEqual(toJson(Any, broken), { '@type': broken.typeUrl, value: '/w==' });
    assert.deepEqual(toJson(Any, {}), {});
  });

  it('never fails for what was decoded, whatever its values', () => {
    const { Duration, Timestamp, Value, FieldMask } = google.protobuf;
    assert.equal(toJson(Duration, { seconds: 1, nanos: -5 }), '-1.000000005s');
    assert.equal(toJson(Timestamp, { seconds: 1e15 }), 'out of range: 1000000000000000s');
    assert.equal(toJson(Value, { numberValue: NaN }), 'NaN');
    assert.equal(toJson(Value, {}), null);
    assert.equal(toJson(FieldMask, { paths: ['a_b', 'C'] }), 'aB,C');
    assert.deepEqual(toJson('envoy.config.core.v3.SocketAddress', { protocol: 9 }), { protocol: 9 });
  });

  it('decodes Any in Any down to a limit, and then gives its bytes', () => {
    let any = packAny(google.protobuf.Any, {});
    for (let level = 0; level < 150; level++) any = packAny(google.protobuf.Any, any);
    assert.match(JSON.stringify(toJson(google.protobuf.Any, any)), /"value":"[A-Za-z0-9+/=]{20,}"/);
  });

  it('throws for an object that contains itself', () => {
    const rule: { notRule?: object } = {};
    rule.notRule = rule;
    assert.throws(() => toJson('envoy.config.rbac.v3.Permission', rule), RangeError);
  });
});
