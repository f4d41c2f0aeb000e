import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  compileRbac,
  decide,
  HeaderMap,
  rbacFilter,
  translateListener,
  type RbacFacts,
  type RbacFilterConfig,
  type TlsInfo,
} from '@heddle/engine';
import { envoy, packAny } from '@heddle/xds-protos';
import { buildModel } from '../model/build-model.js';
import type { MeshModel } from '../model/mesh-model.js';
import { defaultMeshSettings } from '../model/mesh-settings.js';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import {
  connectionPolicyFilters,
  requestPolicyFilters,
  type GuardedPort,
} from './translate-authorization.js';

describe('an AuthorizationPolicy', () => {
  it('without rules lets nobody in, with an empty rule everybody, and does nothing where it denies', () => {
    assert.equal(allows(policy('{}')), false);
    assert.equal(allows(policy('{ rules: [{}] }')), true);
    assert.equal(allows(policy('{ action: DENY }')), true);
    assert.equal(allows(policy('{ action: DENY, rules: [{}] }')), false);
    assert.equal(allows(policy('{ action: AUDIT, rules: [{}] }')), true);
    assert.equal(allows(''), true);
  });

  it('that denies goes before one that allows, whichever is more specific', () => {
    const yaml =
      policy(
        '{ action: DENY, rules: [{ to: [{ operation: { paths: ["/admin*"] } }] }] }',
        'mesh',
        'istio-system',
      ) +
      policy(
        '{ selector: { matchLabels: { app: a } }, rules: [{ to: [{ operation: { methods: [GET] } }] }] }',
      );
    assert.equal(allows(yaml, { path: '/x' }), true);
    assert.equal(allows(yaml, { path: '/admin/x' }), false);
    assert.equal(allows(yaml, { path: '/x', method: 'PUT' }), false);
  });

  it('of another namespace, another workload or for a gateway is no concern of a sidecar', () => {
    assert.equal(allows(policy('{}', 'p', 'other')), true);
    assert.equal(allows(policy('{ selector: { matchLabels: { app: b } } }')), true);
    const reference = '{ group: gateway.networking.k8s.io, kind: Gateway, name: front }';
    assert.equal(allows(policy(`{ targetRefs: [${reference}] }`)), true);
  });

  it('that is tried keeps nobody out', () => {
    const tried = policy('{}').replace('name: p', 'name: p, annotations: { istio.io/dry-run: "true" }');
    assert.equal(allows(tried), true);
    const [filter] = requestConfigs(tried);
    assert.equal(filter?.rules, undefined);
    assert.equal(filter?.shadowRulesStatPrefix, 'istio_dry_run_allow_');
  });

  it('that was never valid denies by a name of its own, requests and connections', () => {
    const { standIns } = parseMeshFile(policy('{ rule: [{}] }'), 'input.yaml');
    const standIn = standIns[0]?.resource;
    assert.ok(standIn);
    const place = placeOf(buildModel(new Map([[standIn.key, standIn]])).model);
    const [filter, ...others] = rbacsOfFilters(requestPolicyFilters(place));
    assert.deepEqual(others, []);
    assert.equal(filter?.rules?.action, 'deny');
    assert.deepEqual(
      filter.rules.policies.map(({ name }) => name),
      ['ns[default]-policy[p]-invalid'],
    );
    assert.equal(decide(compileRbac(filter.rules), factsOf({})).allowed, false);
    assert.equal(connectionPolicyFilters(place).length, 1);
  });

  it('names its rules as Istio does', () => {
    const yaml = policy('{ rules: [{ to: [{ operation: { methods: [PUT] } }] }, {}] }', 'p', 'default');
    assert.equal(decisionsOn(yaml, {})[0]?.policyName, 'ns[default]-policy[p]-rule[1]');
  });
});

describe('principals', () => {
  const from = (source: string): string => policy(`{ rules: [{ from: [{ source: { ${source} } }] }] }`);
  const by = (yaml: string, principal: string | undefined, settings = {}): boolean =>
    allows(yaml, principal === undefined ? {} : { tls: tlsOf(principal) }, settings);

  it('match by exact text, beginning, end and presence', () => {
    const one = 'spiffe://cluster.local/ns/web/sa/shop';
    assert.equal(by(from('principals: ["cluster.local/ns/web/sa/shop"]'), one), true);
    assert.equal(by(from('principals: ["cluster.local/ns/web/*"]'), one), true);
    assert.equal(by(from('principals: ["*/sa/shop"]'), one), true);
    assert.equal(by(from('principals: ["*"]'), one), true);
    assert.equal(by(from('principals: ["cluster.local/ns/web/sa/sho"]'), one), false);
    assert.equal(by(from('principals: ["*/sa/hop"]'), one), false);
    assert.equal(by(from('principals: ["*"]'), undefined), false);
    assert.equal(by(from('notPrincipals: ["*/sa/shop"]'), one), false);
    assert.equal(by(from('notPrincipals: ["*/sa/other"]'), one), true);
  });

  it('have dots that mean dots (CVE-2026-39350)', () => {
    assert.equal(by(from('principals: ["*/sa/a.b"]'), 'spiffe://td/ns/n/sa/a.b'), true);
    assert.equal(by(from('principals: ["*/sa/a.b"]'), 'spiffe://td/ns/n/sa/axb'), false);
    assert.equal(by(from('serviceAccounts: [n/a.b]'), 'spiffe://td/ns/n/sa/a.b'), true);
    assert.equal(by(from('serviceAccounts: [n/a.b]'), 'spiffe://td/ns/n/sa/axb'), false);
  });

  it('are known by namespace and service account, each as a whole', () => {
    assert.equal(by(from('namespaces: [web]'), 'spiffe://td/ns/web/sa/a'), true);
    assert.equal(by(from('namespaces: [web]'), 'spiffe://td/ns/web-2/sa/a'), false);
    assert.equal(by(from('namespaces: [web]'), 'spiffe://td/ns/x/sa/ns'), false);
    assert.equal(by(from('namespaces: ["web*"]'), 'spiffe://td/ns/web-2/sa/a'), true);
    assert.equal(by(from('namespaces: ["web*"]'), 'spiffe://td/ns/x/sa/web'), false);
    assert.equal(by(from('serviceAccounts: [a]'), 'spiffe://td/ns/default/sa/a'), true);
    assert.equal(by(from('serviceAccounts: [a]'), 'spiffe://td/ns/other/sa/a'), false);
    assert.equal(by(from('serviceAccounts: [a]'), 'spiffe://td/ns/default/sa/a-2'), false);
  });

  it('of cluster.local are those of the mesh, whatever it is called', () => {
    const settings = { trustDomain: 'shop.example' };
    const yaml = from('principals: ["cluster.local/ns/web/sa/shop"]');
    assert.equal(by(yaml, 'spiffe://shop.example/ns/web/sa/shop', settings), true);
    assert.equal(by(yaml, 'spiffe://cluster.local/ns/web/sa/shop', settings), false);
    const other = from('principals: ["other.example/ns/web/sa/shop"]');
    assert.equal(by(other, 'spiffe://shop.example/ns/web/sa/shop', settings), false);
    assert.equal(by(other, 'spiffe://other.example/ns/web/sa/shop', settings), true);
  });
});

describe('tokens', () => {
  const by = (source: string, claims: object | undefined): boolean =>
    allows(policy(`{ rules: [{ ${source} }] }`), {
      dynamicMetadata:
        claims === undefined ? undefined : new Map([['envoy.filters.http.jwt_authn', { payload: claims }]]),
    });
  const from = (value: string): string => `from: [{ source: { requestPrincipals: ["${value}"] } }]`;

  it('are known by issuer and subject', () => {
    const claims = { iss: 'https://a.example/x', sub: 'me' };
    for (const value of ['*', 'https://a.example/x/me', 'https://a.example/x/*', '*/me', '*me', '*x/me']) {
      assert.equal(by(from(value), claims), true, value);
      assert.equal(by(from(value), undefined), false, value);
    }
    for (const value of ['https://a.example/me', 'https://a.example/x/you', '*/you', 'https://b*']) {
      assert.equal(by(from(value), claims), false, value);
    }
    // Without a slash, a star at the end is for the issuer.
    assert.equal(by(from('iss*'), { iss: 'issuer', sub: 'me' }), true);
    assert.equal(by(from('iss*'), { iss: 'other', sub: 'iss' }), false);
  });

  it('may be wanted by none', () => {
    assert.equal(by('from: [{ source: { notRequestPrincipals: ["*"] } }]', undefined), true);
    assert.equal(by('from: [{ source: { notRequestPrincipals: ["*"] } }]', { iss: 'a', sub: 'b' }), false);
  });

  it('have claims, alone, in lists and in other claims', () => {
    const groups = 'when: [{ key: "request.auth.claims[groups]", values: [ops, "dev*"] }]';
    assert.equal(by(groups, { groups: ['x', 'dev-1'] }), true);
    assert.equal(by(groups, { groups: 'ops' }), true);
    assert.equal(by(groups, { groups: ['x'] }), false);
    const roles = 'when: [{ key: "request.auth.claims[realm][roles]", notValues: [guest] }]';
    assert.equal(by(roles, { realm: { roles: ['guest'] } }), false);
    assert.equal(by(roles, { realm: { roles: ['admin'] } }), true);
    assert.equal(by('when: [{ key: request.auth.audiences, values: [shop] }]', { aud: ['a', 'shop'] }), true);
    assert.equal(by('when: [{ key: request.auth.presenter, values: [app] }]', { azp: 'app' }), true);
  });
});

describe('operations', () => {
  const to = (operation: string, action = 'ALLOW'): string =>
    policy(`{ action: ${action}, rules: [{ to: [{ operation: { ${operation} } }] }] }`);

  it('are for a host in any case, with any port and a dot at its end (CVE-2021-39155)', () => {
    const same = [
      'shop.example',
      'SHOP.example',
      'shop.example:80',
      'shop.example:8443',
      'shop.example.',
      'shop.example.:80',
    ];
    for (const authority of same) {
      assert.equal(allows(to('hosts: [shop.example]'), { authority }), true, authority);
      assert.equal(allows(to('hosts: [Shop.Example]', 'DENY'), { authority }), false, authority);
      assert.equal(allows(to('notHosts: [shop.example]'), { authority }), false, authority);
      assert.equal(allows(to('hosts: ["*.example"]', 'DENY'), { authority }), false, authority);
      assert.equal(allows(to('hosts: ["shop.*"]', 'DENY'), { authority }), false, authority);
    }
    for (const authority of ['shop.example.evil', 'ashop.example', 'shopxexample']) {
      assert.equal(allows(to('hosts: [shop.example]'), { authority }), false, authority);
    }
    assert.equal(allows(to('hosts: ["shop.example:8080"]'), { authority: 'shop.example:80' }), false);
  });

  it('are for paths without their query, by text and by template', () => {
    assert.equal(allows(to('paths: [/a]'), { path: '/a?b=/c' }), true);
    assert.equal(allows(to('paths: [/a]'), { path: '/a/b' }), false);
    assert.equal(allows(to('paths: ["*/b"]'), { path: '/a/b' }), true);
    const template = to('paths: ["/a/{*}/c.d/{**}"]');
    for (const path of ['/a/b/c.d/', '/a/b/c.d/e/f']) assert.equal(allows(template, { path }), true, path);
    for (const path of ['/a//c.d/e', '/a/b/x/c.d/e', '/a/b/cxd/e', '/a/b/c.d']) {
      assert.equal(allows(template, { path }), false, path);
    }
  });

  it('are for a port of the workload, wherever the proxy listens for it', () => {
    assert.equal(allows(to('ports: ["9080"]'), { destinationPort: 41001 }), true);
    assert.equal(allows(to('ports: ["41001"]'), { destinationPort: 41001 }), false);
    assert.equal(allows(to('notPorts: ["9080"]'), { destinationPort: 41001 }), false);
  });

  it('hold with each condition beside them', () => {
    const yaml = policy(
      '{ rules: [{ to: [{ operation: { methods: [GET] } }, { operation: { methods: [PUT] } }], when: [{ key: "request.headers[x-role]", values: [admin] }, { key: source.ip, notValues: [10.0.0.0/8] }] }] }',
    );
    const admin = new HeaderMap();
    admin.append('x-role', 'admin');
    const facts = { headers: admin, directRemoteIp: '192.0.2.1' };
    assert.equal(allows(yaml, { ...facts, method: 'PUT' }), true);
    assert.equal(allows(yaml, { ...facts, method: 'POST' }), false);
    assert.equal(allows(yaml, { ...facts, directRemoteIp: '10.1.1.1' }), false);
    assert.equal(allows(yaml, { directRemoteIp: '192.0.2.1' }), false);
  });
});

describe('at a port of TCP', () => {
  it('a rule that allows by what requests have lets nobody in, and one that denies by it denies more', () => {
    assert.equal(admits(policy('{ rules: [{ to: [{ operation: { methods: [GET] } }] }] }')), false);
    assert.equal(
      admits(policy('{ action: DENY, rules: [{ to: [{ operation: { methods: [GET] } }] }] }')),
      false,
    );
    const byPort = (port: number): string =>
      policy(`{ action: DENY, rules: [{ to: [{ operation: { methods: [GET], ports: ["${port}"] } }] }] }`);
    assert.equal(admits(byPort(9080)), false);
    assert.equal(admits(byPort(80)), true);
  });

  it('callers are known by certificate, address and server name', () => {
    const yaml = policy(
      '{ rules: [{ from: [{ source: { namespaces: [web], ipBlocks: [10.0.0.0/8] } }], when: [{ key: connection.sni, values: ["*.db"] }] }] }',
    );
    const known = { tls: tlsOf('spiffe://td/ns/web/sa/a'), directRemoteIp: '10.0.0.1', serverName: 'a.db' };
    assert.equal(admits(yaml, known), true);
    assert.equal(admits(yaml, { ...known, tls: undefined }), false);
    assert.equal(admits(yaml, { ...known, serverName: 'a.db.evil' }), false);
  });
});

describe('warnings', () => {
  const db =
    'apiVersion: v1\nkind: Service\nmetadata: { name: db }\nspec: { selector: { app: a }, ports: [{ name: tcp, port: 5432 }] }\n---\n' +
    'apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: { name: db-0 }\nspec: { address: 127.0.0.1, labels: { app: a } }\n---\n';

  it('name rules for requests at ports that carry none', () => {
    const [warning, ...others] = problemsOf(
      db + policy('{ rules: [{}, { to: [{ operation: { methods: [GET] } }] }] }'),
    );
    assert.deepEqual(others, []);
    assert.equal(
      warning,
      'rules[1] lets nobody in at port 5432 (tcp) of db.default.svc.cluster.local: connections have no method',
    );
    assert.deepEqual(
      problemsOf(db + policy('{ rules: [{ to: [{ operation: { methods: [GET], ports: ["80"] } }] }] }')),
      [],
    );
    const denying = problemsOf(
      db + policy('{ action: DENY, rules: [{ to: [{ operation: { paths: [/a] } }] }] }'),
    );
    assert.match(denying.join(), /denies more at port 5432/);
  });

  it('name selectors that choose nothing, and trust domains of others', () => {
    assert.match(
      problemsOf(db + policy('{ selector: { matchLabels: { app: nobody } } }')).join(),
      /has app=nobody/,
    );
    const foreign = policy('{ rules: [{ from: [{ source: { principals: ["td.example/ns/a/sa/b"] } }] }] }');
    assert.match(problemsOf(foreign).join(), /td\.example is not that of the mesh/);
  });
});

function policy(spec: string, name = 'p', namespace = 'default'): string {
  return `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: ${name}, namespace: ${namespace} }\nspec: ${spec}\n---\n`;
}

function build(yaml: string, settings: object): ReturnType<typeof buildModel> {
  const { resources, problems } = parseMeshFile(yaml, 'input.yaml');
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  );
  const byKey = new Map(resources.map((resource) => [resource.key, resource]));
  return buildModel(byKey, { ...defaultMeshSettings, ...settings });
}

function problemsOf(yaml: string): string[] {
  return build(yaml, {}).problems.map(({ message }) => message);
}

function placeOf(model: MeshModel): GuardedPort {
  return { model, subject: { namespace: 'default', labels: { app: 'a' } }, port: 9080 };
}

function requestConfigs(yaml: string, settings: object = {}): RbacFilterConfig[] {
  return rbacsOfFilters(requestPolicyFilters(placeOf(build(yaml, settings).model)));
}

function rbacsOfFilters(filters: ReturnType<typeof requestPolicyFilters>): RbacFilterConfig[] {
  return filters.map(({ typedConfig }) => {
    const parsed = rbacFilter.parse(typedConfig?.value as Uint8Array, 'rbac');
    assert.ok(parsed.ok, JSON.stringify(parsed));
    return parsed.value as RbacFilterConfig;
  });
}

interface Known extends Partial<Omit<RbacFacts, 'request'>> {
  readonly method?: string;
  readonly authority?: string;
  readonly headers?: HeaderMap;
}

function factsOf(known: Known): RbacFacts {
  const { method = 'GET', authority = 'shop', headers = new HeaderMap(), path = '/' } = known;
  return {
    request: { method, authority, scheme: 'http', path, headers, version: 'HTTP/1.1', upgrade: '' },
    tls: undefined,
    serverName: '',
    remoteIp: '192.0.2.1',
    directRemoteIp: '192.0.2.1',
    destinationIp: '127.0.0.1',
    destinationPort: 41_001,
    dynamicMetadata: undefined,
    ...known,
    path: path.split('?')[0] ?? '',
  };
}

function decisionsOn(yaml: string, known: Known, settings: object = {}): ReturnType<typeof decide>[] {
  return requestConfigs(yaml, settings).flatMap(({ rules }) =>
    rules === undefined ? [] : [decide(compileRbac(rules), factsOf(known))],
  );
}

function allows(yaml: string, known: Known = {}, settings: object = {}): boolean {
  return decisionsOn(yaml, known, settings).every(({ allowed }) => allowed);
}

/** Whether a connection gets through the network filters, as heddle-proxy reads them. */
function admits(yaml: string, known: Known = {}): boolean {
  const { TcpProxy } = envoy.extensions.filters.network.tcp_proxy.v3;
  const terminal = { name: 'tcp', typedConfig: packAny(TcpProxy, { statPrefix: 'a', cluster: 'a' }) };
  const listener = envoy.config.listener.v3.Listener.create({
    name: 'l',
    address: { socketAddress: { address: '127.0.0.1', portValue: 1 } },
    filterChains: [{ filters: [...connectionPolicyFilters(placeOf(build(yaml, {}).model)), terminal] }],
  });
  const translated = translateListener(listener);
  assert.ok(translated.ok, JSON.stringify(translated));
  const filters = translated.value.filterChains[0]?.filters ?? [];
  return filters.every((filter) => {
    if (filter.kind !== 'rbac' || filter.config.rules === undefined) return true;
    const { rules } = filter.config;
    return decide(compileRbac(rules), { ...factsOf(known), request: undefined, path: '' }).allowed;
  });
}

function tlsOf(uri: string): TlsInfo {
  return { peer: { uriSans: [uri], dnsSans: [], subject: '' } } as unknown as TlsInfo;
}
