// Who may import whom. The packages' arrows are ARCHITECTURE.md's; each one is a rule here, and scripts/check-arrows.mjs
// proves with a planted violation that each rule can fail. Folders that do not exist yet are ruled already.
//
// Imports of another package by its name resolve to its dist, relative ones to its src: both are matched by `within`.

const PACKAGES = [
  'common',
  'xds-protos',
  'engine',
  'certs',
  'data-plane',
  'control-plane',
  'injector',
  'supervisor',
  'cli',
];
const OUTSIDE = ['bench', 'test', 'dashboard', 'examples', 'scripts'];

const within = (...folders) => `^(${folders.join('|')})/`;

/** The package may import itself and these others, and nothing else of ours. */
function mayOnlyImport(name, allowed) {
  const refused = [...PACKAGES, ...OUTSIDE].filter((other) => other !== name && !allowed.includes(other));
  return {
    name: `${name}-imports`,
    comment: `${name} may import ${allowed.join(', ') || 'nothing of ours'}`,
    severity: 'error',
    from: { path: within(name) },
    to: { path: within(...refused) },
  };
}

/** A folder, or a file, directly below a package's src. */
const part = (name, ...parts) => `^${name}/src/(${parts.join('|')})(/|\\.ts$)`;

/** Inside the data plane a part may import those to its right, and stats, the engine and common. */
const DATA_PLANE_ORDER = [
  'main',
  'server',
  'xds',
  'admin',
  'listener',
  'network',
  'http',
  'route',
  'cluster',
  'codec',
  'tls',
];

function rightwardsOnly() {
  return DATA_PLANE_ORDER.slice(1).map((name, index) => ({
    name: `data-plane-${name}-leftwards`,
    comment: `the order is ${DATA_PLANE_ORDER.join(' → ')}`,
    severity: 'error',
    from: { path: part('data-plane', name), pathNot: '\\.test\\.ts$' },
    to: { path: part('data-plane', ...DATA_PLANE_ORDER.slice(0, index + 1)) },
  }));
}

module.exports = {
  forbidden: [
    mayOnlyImport('common', []),
    mayOnlyImport('xds-protos', []),
    mayOnlyImport('engine', ['common', 'xds-protos']),
    mayOnlyImport('certs', ['common', 'xds-protos']),
    mayOnlyImport('data-plane', ['common', 'xds-protos', 'engine', 'certs', 'supervisor']),
    mayOnlyImport('injector', ['common']),
    mayOnlyImport('supervisor', ['common']),
    mayOnlyImport('control-plane', ['common', 'xds-protos', 'engine', 'certs', 'injector']),
    mayOnlyImport('cli', [
      'common',
      'certs',
      'control-plane',
      'injector',
      'engine',
      'supervisor',
      'xds-protos',
    ]),
    {
      name: 'dashboard-imports',
      comment:
        'a program for browsers: of ours it knows the types of what heddled tells it, and no package at all',
      severity: 'error',
      from: { path: within('dashboard'), pathNot: '\\.test\\.ts$' },
      to: {
        path: '.',
        pathNot: ['^dashboard/', '^control-plane/(src|dist)/dashboard-api\\.'],
      },
    },
    {
      name: 'nobody-imports-tests-or-benchmarks',
      severity: 'error',
      from: { path: within(...PACKAGES, 'dashboard', 'examples') },
      to: { path: within('test', 'bench') },
    },
    {
      name: 'common-imports-only-node',
      comment: 'every process carries common, so it brings nothing along',
      severity: 'error',
      from: { path: within('common'), pathNot: '\\.test\\.ts$' },
      to: { dependencyTypesNot: ['core', 'local'] },
    },
    {
      name: 'xds-protos-imports-only-the-protobuf-runtime',
      severity: 'error',
      from: { path: '^xds-protos/src/', pathNot: '\\.test\\.ts$' },
      to: { pathNot: ['^node_modules/(protobufjs|long)/', '^xds-protos/'], dependencyTypesNot: ['core'] },
    },
    {
      name: 'engine-decodes-protos-only-in-translation',
      comment: 'the request path sees frozen plain objects',
      severity: 'error',
      from: { path: '^engine/src/', pathNot: ['^engine/src/translate/', '/config\\.ts$', '\\.test\\.ts$'] },
      to: { path: within('xds-protos') },
    },
    {
      name: 'engine-has-no-sockets',
      comment: 'these ask node:net whether a text is an address, which opens nothing',
      severity: 'error',
      from: {
        path: '^engine/src/',
        pathNot: ['^engine/src/(translate/address|address/ip-address)\\.ts$', '\\.test\\.ts$'],
      },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(net|tls|http|https|http2|dgram|dns|fs|child_process|worker_threads|timers)(/promises)?$',
      },
    },
    {
      name: 'sidecar-never-signs',
      comment: 'fetching certificates is not signing them',
      severity: 'error',
      from: { path: within('data-plane') },
      to: { path: '^certs/(src|dist)/authority/' },
    },
    {
      name: 'workload-certificates-know-no-authority',
      severity: 'error',
      from: { path: part('certs', 'workload', 'client', 'sds'), pathNot: '\\.test\\.ts$' },
      to: { path: part('certs', 'authority') },
    },
    {
      name: 'certificates-know-the-wire-in-client-and-sds-only',
      comment: 'whoever only verifies or signs loads neither protos nor gRPC',
      severity: 'error',
      from: { path: '^certs/src/', pathNot: [part('certs', 'client', 'sds'), '\\.test\\.ts$'] },
      to: { path: [within('xds-protos'), '^node_modules/@grpc/', part('certs', 'client', 'sds')] },
    },
    ...rightwardsOnly(),
    {
      name: 'data-plane-stats-is-a-leaf',
      severity: 'error',
      from: { path: part('data-plane', 'stats') },
      to: { path: part('data-plane', ...DATA_PLANE_ORDER) },
    },
    {
      name: 'data-plane-only-the-server-wires',
      comment: 'xds and admin are started by the server; nobody else knows them',
      severity: 'error',
      from: {
        path: '^data-plane/src/',
        pathNot: [part('data-plane', 'main', 'server', 'index', 'xds', 'admin'), '\\.test\\.ts$'],
      },
      to: { path: part('data-plane', 'xds', 'admin') },
    },
    {
      name: 'data-plane-main-starts-everything',
      severity: 'error',
      from: { path: '^data-plane/src/' },
      to: { path: '^data-plane/src/main\\.ts$' },
    },
    {
      name: 'data-plane-xds-reaches-only-what-it-configures-through',
      comment: 'config goes to listeners by way of config-source',
      severity: 'error',
      from: { path: part('data-plane', 'xds'), pathNot: '\\.test\\.ts$' },
      to: { path: part('data-plane', 'admin', 'listener', 'network', 'http', 'route') },
    },
    {
      name: 'http-filter-knows-no-other',
      severity: 'error',
      from: { path: '^data-plane/src/http/filters/([^/]+)/' },
      to: { path: '^data-plane/src/http/filters/[^/]+/', pathNot: '^data-plane/src/http/filters/$1/' },
    },
    {
      name: 'http-filter-reaches-no-cluster',
      comment: 'only the router does; a filter that must call out is given an UpstreamClient',
      severity: 'error',
      from: { path: '^data-plane/src/http/filters/(?!router/)[^/]+/' },
      to: { path: part('data-plane', 'cluster', 'route', 'tls', 'network', 'listener') },
    },
    {
      name: 'no-relative-path-into-another-package',
      comment: 'import it by its name; what is not exported is not yours',
      severity: 'error',
      from: { path: '^([^/]+)/' },
      to: {
        path: within(...PACKAGES, ...OUTSIDE),
        pathNot: '^$1/',
        dependencyTypes: ['local'],
        dependencyTypesNot: ['aliased-workspace'],
      },
    },
    {
      name: 'no-cycles',
      comment: 'nothing loads itself',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-cycles-between-folders',
      comment: 'not even of types; two files of one folder may name each other as types',
      severity: 'error',
      from: { path: '^(.+)/[^/]+$' },
      to: { circular: true, via: { pathNot: '^$1/[^/]+$' } },
    },
    {
      name: 'only-declared-dependencies',
      comment: 'the package.json of the workspace names what it loads',
      severity: 'error',
      from: { path: within(...PACKAGES, 'dashboard', 'bench', 'test') },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-development-dependency-in-production',
      severity: 'error',
      from: { path: within(...PACKAGES), pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm'], pathNot: '^node_modules/@types/' },
    },
    {
      name: 'everything-resolves',
      severity: 'error',
      from: { path: within(...PACKAGES, 'dashboard', 'bench', 'test') },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '/dist/', '/gen/'] },
    exclude: { path: ['/testdata/'] },
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['types', 'import', 'node', 'default'],
      extensions: ['.ts', '.d.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
