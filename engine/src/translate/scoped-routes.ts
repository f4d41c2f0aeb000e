import type { envoy } from '@heddle/xds-protos';
import type { Translated } from '../config/problem.js';
import type {
  RouteScopeConfig,
  ScopedRoutesConfig,
  ScopeFragmentConfig,
} from '../config/scoped-routes-config.js';
import { scopeKey } from '../route/scope-key.js';
import { translateConfigSource } from './config-source.js';
import { Findings, join } from './findings.js';
import { checkHeaderName } from './matchers.js';
import { deepFreeze, requiredText } from './proto-values.js';
import { translateRoutes } from './route-configuration.js';

type ScopedRoutes = envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes;
type Builder = envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder;
type Scope = envoy.config.route.v3.ScopedRouteConfiguration;

/** Translates a scope that was fetched. Source: envoy.config.route.v3.ScopedRouteConfiguration. */
export function translateScopedRouteConfiguration(scope: Scope): Translated<RouteScopeConfig> {
  const findings = new Findings();
  findings.unknownFields(scope, '', true);
  return findings.finish(deepFreeze(translateScope(scope, '', findings)));
}

/** Source: envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes. */
export function translateScopedRoutes(
  scoped: ScopedRoutes,
  path: string,
  findings: Findings,
): ScopedRoutesConfig {
  const fetched = scoped.configSpecifier === 'scopedRds' ? scoped.scopedRds : null;
  const listed = scoped.configSpecifier === 'scopedRouteConfigurationsList';
  if (!listed && fetched === null) {
    findings.problem(path, 'one of scoped_route_configurations_list or scoped_rds must be set');
  }
  if (fetched !== null && fetched.srdsResourcesLocator !== '') {
    findings.problem(`${path}.scoped_rds.srds_resources_locator`, 'resource locators are not supported');
  }
  const scopes = scoped.scopedRouteConfigurationsList?.scopedRouteConfigurations ?? [];
  const at = `${path}.scoped_route_configurations_list.scoped_route_configurations`;
  const translated = scopes.map((scope, i) => translateScope(scope, `${at}[${i}]`, findings));
  for (const { scope, message } of sameKeys(translated)) {
    findings.problem(`${at}[${translated.indexOf(scope)}].key`, message);
  }
  return {
    name: requiredText(scoped.name, `${path}.name`, findings),
    fragments: translateFragments(scoped.scopeKeyBuilder, `${path}.scope_key_builder`, findings),
    scopes: fetched === null ? translated : undefined,
    scopesFetchTimeoutMs:
      fetched === null
        ? 0
        : translateConfigSource(
            fetched.scopedRdsConfigSource,
            `${path}.scoped_rds.scoped_rds_config_source`,
            findings,
          ),
    routesFetchTimeoutMs:
      translated.every(({ routes }) => routes.kind === 'inline') && listed
        ? 0
        : translateConfigSource(scoped.rdsConfigSource, `${path}.rds_config_source`, findings),
  };
}

/** Scopes whose key an earlier one has already, and which. */
export function sameKeys(
  scopes: Iterable<RouteScopeConfig>,
): readonly { readonly scope: RouteScopeConfig; readonly message: string }[] {
  const owners = new Map<string, string>();
  const found: { scope: RouteScopeConfig; message: string }[] = [];
  for (const scope of scopes) {
    const key = scopeKey(scope.key);
    const owner = owners.get(key);
    if (owner === undefined) owners.set(key, scope.name);
    else found.push({ scope, message: `is the key of scope ${JSON.stringify(owner)} as well` });
  }
  return found;
}

function translateScope(scope: Scope, path: string, findings: Findings): RouteScopeConfig {
  const { routeConfiguration: inline, routeConfigurationName: routes } = scope;
  if ((inline === null) === (routes === '')) {
    findings.problem(
      join(path, 'route_configuration_name'),
      'exactly one of route_configuration_name and route_configuration must be set',
    );
  }
  if (scope.onDemand) {
    findings.warn(join(path, 'on_demand'), 'has no effect: the routes are fetched with the scope');
  }
  const fragments = scope.key?.fragments ?? [];
  if (fragments.length === 0) findings.problem(join(path, 'key'), 'must have at least one fragment');
  return {
    name: requiredText(scope.name, join(path, 'name'), findings),
    key: fragments.map((fragment, i) => {
      if (fragment.type === 'stringKey') return fragment.stringKey ?? '';
      findings.problem(join(path, `key.fragments[${i}]`), 'must be a string_key');
      return '';
    }),
    routes:
      inline === null
        ? { kind: 'rds', name: routes }
        : {
            kind: 'inline',
            config: translateRoutes(inline, join(path, 'route_configuration'), findings),
          },
  };
}

function translateFragments(
  builder: Builder | null,
  path: string,
  findings: Findings,
): readonly ScopeFragmentConfig[] {
  const fragments = builder?.fragments ?? [];
  if (fragments.length === 0) findings.problem(`${path}.fragments`, 'must have at least one entry');
  return fragments.map((fragment, i): ScopeFragmentConfig => {
    const at = `${path}.fragments[${i}].header_value_extractor`;
    const extractor = fragment.headerValueExtractor;
    if (extractor === null) {
      findings.problem(at, 'must be set');
      return { header: '', elementSeparator: '', extract: { kind: 'index', index: 0 } };
    }
    checkHeaderName(extractor.name, `${at}.name`, findings);
    const header = extractor.name.toLowerCase();
    const { elementSeparator } = extractor;
    if (extractor.extractType === 'element' && extractor.element !== null) {
      const { separator, key } = extractor.element;
      requiredText(separator, `${at}.element.separator`, findings);
      requiredText(key, `${at}.element.key`, findings);
      return { header, elementSeparator, extract: { kind: 'element', separator, key } };
    }
    const index = extractor.index ?? 0;
    if (extractor.extractType === undefined) findings.problem(at, 'one of index or element must be set');
    if (elementSeparator === '' && index > 0) {
      findings.problem(`${at}.index`, 'must be 0 without element_separator, for there is one element');
    }
    return { header, elementSeparator, extract: { kind: 'index', index } };
  });
}
