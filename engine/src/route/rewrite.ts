import type { ForwardAction, RedirectAction, RouteEntryConfig } from '../config/route-config.js';
import type { RequestHead } from '../http/message-head.js';
import { pathEnd } from './path-match.js';

/**
 * The path that a forwarding route sends upstream, query included; undefined when it is not rewritten.
 *
 * Source: envoy.config.route.v3.RouteAction.prefix_rewrite (replaces the part that matched: the prefix, or the whole path of
 * an exact or regular-expression match) and regex_rewrite (replaces every match in the path; the query is never touched).
 */
export function rewritePath(
  route: RouteEntryConfig,
  action: ForwardAction,
  path: string,
): string | undefined {
  return rewritten(route, action.prefixRewrite, action.regexRewrite, path);
}

function rewritten(
  route: RouteEntryConfig,
  prefixRewrite: string,
  regexRewrite: ForwardAction['regexRewrite'],
  path: string,
): string | undefined {
  if (prefixRewrite === '' && regexRewrite === undefined) return undefined;
  const end = pathEnd(path);
  const before = path.slice(0, end);
  if (regexRewrite !== undefined) {
    const after = regexRewrite.regex.replaceAll(before, regexRewrite.substitution);
    return (after === '' ? '/' : after) + path.slice(end);
  }
  const matched = route.match.path;
  switch (matched.kind) {
    case 'connect':
      return undefined;
    case 'prefix':
    case 'path-separated-prefix':
      return prefixRewrite + path.slice(Math.min(matched.value.length, end));
    case 'exact':
    case 'regex':
      return prefixRewrite + path.slice(end);
  }
}

/** The authority that a forwarding route sends upstream; undefined when it stays (or `auto`, which the chosen host decides). */
export function rewriteHost(
  action: ForwardAction,
  head: RequestHead,
  weightedHostRewrite = '',
): string | undefined {
  if (weightedHostRewrite !== '') return weightedHostRewrite;
  const { hostRewrite } = action;
  switch (hostRewrite.kind) {
    case 'none':
    case 'auto':
      return undefined;
    case 'literal':
      return hostRewrite.value;
    case 'header': {
      const value = head.headers.get(hostRewrite.name);
      return value === undefined || value === '' ? undefined : value;
    }
    case 'path-regex': {
      const path = head.path.slice(0, pathEnd(head.path));
      return hostRewrite.regex.replaceAll(path, hostRewrite.substitution);
    }
  }
}

/**
 * The `location` of a redirect.
 *
 * Source: envoy.config.route.v3.RedirectAction. The port of the request is kept unless the redirect names one, or the
 * scheme changes and the port was the old scheme's own.
 */
export function redirectLocation(route: RouteEntryConfig, action: RedirectAction, head: RequestHead): string {
  const oldScheme = head.scheme;
  const scheme = action.httpsRedirect
    ? 'https'
    : action.schemeRedirect !== ''
      ? action.schemeRedirect
      : oldScheme;
  const { host, port } = splitAuthority(head.authority);
  const newHost = action.hostRedirect !== '' ? action.hostRedirect : host;
  let newPort: string;
  if (action.portRedirect !== 0) newPort = `:${action.portRedirect}`;
  else if (action.hostRedirect !== '') newPort = '';
  else {
    const wasDefault = (oldScheme === 'http' && port === ':80') || (oldScheme === 'https' && port === ':443');
    newPort = scheme !== oldScheme && wasDefault ? '' : port;
  }
  return `${scheme}://${newHost}${newPort}${redirectPath(route, action, head.path)}`;
}

function redirectPath(route: RouteEntryConfig, action: RedirectAction, path: string): string {
  const end = pathEnd(path);
  if (action.pathRedirect !== '') {
    // A path that brings its own query replaces the request's.
    if (action.pathRedirect.includes('?') || action.stripQuery) return action.pathRedirect;
    return action.pathRedirect + path.slice(end);
  }
  const target = rewritten(route, action.prefixRewrite, action.regexRewrite, path) ?? path;
  return action.stripQuery ? target.slice(0, pathEnd(target)) : target;
}

function splitAuthority(authority: string): { readonly host: string; readonly port: string } {
  const found = /^(.*?)(:\d+)?$/s.exec(authority);
  return { host: found?.[1] ?? authority, port: found?.[2] ?? '' };
}
