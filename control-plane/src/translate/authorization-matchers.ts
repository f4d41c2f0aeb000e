import type { envoy } from '@heddle/xds-protos';
import { jwtPayloadKey } from './translate-request-authentication.js';

type StringMatcher = envoy.type.matcher.v3.IStringMatcher;
type HeaderMatcher = envoy.config.route.v3.IHeaderMatcher;
type MetadataMatcher = envoy.type.matcher.v3.IMetadataMatcher;
type ValueMatcher = envoy.type.matcher.v3.IValueMatcher;

/** Under which the principals of a connection stand that came through a tunnel. Source: Istio. */
export const PEER_PRINCIPAL = 'io.istio.peer_principal';
export const LOCAL_PRINCIPAL = 'io.istio.local_principal';

/** Text in an expression: nothing in it means more than itself (a dot in a name, say). */
function quoted(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}-]/g, '\\$&');
}

function regex(source: string): StringMatcher {
  return { safeRegex: { regex: source } };
}

/** What a value of a policy matches: `*` anything but nothing, `*text`, `text*`, or itself. Source: Istio's StringMatcher. */
export function textMatcher(value: string, ignoreCase = false): StringMatcher {
  if (value === '*') return regex('.+');
  if (value.startsWith('*')) return { suffix: value.slice(1), ignoreCase };
  if (value.endsWith('*')) return { prefix: value.slice(0, -1), ignoreCase };
  return { exact: value, ignoreCase };
}

/** A principal is written without the scheme of its SPIFFE ID. Source: Istio. */
export function principalMatcher(value: string): StringMatcher {
  if (value === '*') return regex('.+');
  if (value.startsWith('*')) return regex(`spiffe://.*${quoted(value.slice(1))}`);
  if (value.endsWith('*')) return { prefix: `spiffe://${value.slice(0, -1)}` };
  return { exact: `spiffe://${value}` };
}

/** The namespace in a SPIFFE ID. In Istio's expression it may stand anywhere in the path; here only where Istio puts it. */
export function namespaceMatcher(value: string): StringMatcher {
  const name = value.split('*').map(quoted).join('[^/]*');
  return regex(`spiffe://[^/]+/ns/${name}/.+`);
}

/** `NAMESPACE/NAME`, in any trust domain. */
export function serviceAccountMatcher(value: string): StringMatcher {
  const [namespace = '', name = ''] = value.split('/');
  return regex(`spiffe://[^/]+/ns/${quoted(namespace)}/sa/${quoted(name)}`);
}

/** Source: Istio's HeaderMatcher: `*` asks for presence. */
export function headerMatcher(name: string, value: string): HeaderMatcher {
  return value === '*' ? { name, presentMatch: true } : { name, stringMatch: textMatcher(value) };
}

/**
 * A host in any case, and with any port and a dot at its end unless it is written with one: to services they are the same host.
 * Istio takes a host with another port for another host.
 */
export function hostMatchers(value: string): HeaderMatcher[] {
  const name = ':authority';
  if (value === '*') return [{ name, presentMatch: true }];
  const host = (stringMatch: StringMatcher): HeaderMatcher => ({ name, stringMatch });
  if (value.endsWith('*') || /:\d+$/.test(value)) return [host(textMatcher(value, true))];
  if (value.startsWith('*')) {
    const suffix = value.slice(1);
    return [host(textMatcher(value, true)), host(regex(`(?i).*${quoted(suffix)}\\.?(:[0-9]*)?`))];
  }
  return [
    host({ exact: value, ignoreCase: true }),
    host({ prefix: `${value}:`, ignoreCase: true }),
    host({ exact: `${value}.`, ignoreCase: true }),
    host({ prefix: `${value}.:`, ignoreCase: true }),
  ];
}

/** A path without its query; `{*}` is one segment, `{**}` the rest. Source: Istio, and Envoy's URI templates as expressions. */
export function pathMatcher(value: string): envoy.type.matcher.v3.IPathMatcher {
  if (!/[{}]/.test(value)) return { path: textMatcher(value) };
  const source = value
    .split('/')
    .map((segment) => (segment === '{*}' ? '[^/]+' : segment === '{**}' ? '.*' : quoted(segment)))
    .join('/');
  return { path: regex(source) };
}

/** An address, or a range. */
export function cidrOf(value: string): envoy.config.core.v3.ICidrRange {
  const [address = '', bits] = value.split('/');
  const most = address.includes(':') ? 128 : 32;
  return { addressPrefix: address, prefixLen: { value: bits === undefined ? most : Number(bits) } };
}

/** A claim of the token that was verified. */
function claimMatcher(path: readonly string[], value: ValueMatcher): MetadataMatcher {
  return {
    filter: 'envoy.filters.http.jwt_authn',
    path: [jwtPayloadKey, ...path].map((key) => ({ key })),
    value,
  };
}

/** One of the values, as the claim itself or in its list. Source: Istio. */
export function claimValuesMatcher(path: readonly string[], values: readonly string[]): MetadataMatcher {
  const texts = values.map((value): ValueMatcher => ({ stringMatch: textMatcher(value) }));
  const one: ValueMatcher =
    texts.length === 1 ? (texts[0] as ValueMatcher) : { orMatch: { valueMatchers: texts } };
  return claimMatcher(path, { orMatch: { valueMatchers: [{ listMatch: { oneOf: one } }, one] } });
}

/**
 * Issuer and subject of the token, `ISSUER/SUBJECT`; the issuer may hold slashes.
 *
 * Source: Istio's requestPrincipalGenerator.
 */
export function requestPrincipalMatchers(value: string): readonly [MetadataMatcher, MetadataMatcher] {
  const slash = value.lastIndexOf('/');
  const found = slash !== -1;
  const issuer = found ? value.slice(0, slash) : value;
  const subject = found ? value.slice(slash + 1) : '';
  const any = regex('.+');
  const both = (iss: StringMatcher, sub: StringMatcher): readonly [MetadataMatcher, MetadataMatcher] => [
    claimMatcher(['iss'], { stringMatch: iss }),
    claimMatcher(['sub'], { stringMatch: sub }),
  ];
  if (value === '*') return both(any, any);
  if (value.startsWith('*')) {
    if (!found) return both(any, { suffix: value.slice(1) });
    return both(textMatcher(issuer), { exact: subject });
  }
  if (value.endsWith('*')) {
    if (!found) return both({ prefix: value.slice(0, -1) }, any);
    return both({ exact: issuer }, textMatcher(subject));
  }
  return both({ exact: issuer }, { exact: subject });
}
