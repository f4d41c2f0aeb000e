import type { HttpConnectionManagerConfig } from '../config/http-connection-manager-config.js';

/** What became of a path. */
export type NormalizedPath =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'changed'; readonly path: string }
  | { readonly kind: 'redirect'; readonly path: string }
  | { readonly kind: 'refused' };

const UNCHANGED: NormalizedPath = Object.freeze({ kind: 'unchanged' });
const REFUSED: NormalizedPath = Object.freeze({ kind: 'refused' });

/** A path without any of these is in its normal form already: `%`, a backslash, `/.`, `//`. */
const MAY_CHANGE = /[%\\]|\/[./]/;
const ESCAPED_SLASH = /%(?:2f|5c)/i;

type PathOptions = Pick<
  HttpConnectionManagerConfig,
  'normalizePath' | 'mergeSlashes' | 'pathWithEscapedSlashesAction'
>;

/**
 * Brings the path (never the query) to the one form that routing and every policy see.
 *
 * Source: HttpConnectionManager.path_with_escaped_slashes_action, normalize_path (RFC 3986 section 6, as browsers do it) and
 * merge_slashes, in this order.
 */
export function normalizePath(target: string, options: PathOptions): NormalizedPath {
  const queryAt = target.indexOf('?');
  const path = queryAt === -1 ? target : target.slice(0, queryAt);
  if (!MAY_CHANGE.test(path) || path.charCodeAt(0) !== 0x2f) return UNCHANGED;
  let result = path;
  let redirect = false;
  if (options.pathWithEscapedSlashesAction !== 'keep-unchanged' && ESCAPED_SLASH.test(result)) {
    if (options.pathWithEscapedSlashesAction === 'reject') return REFUSED;
    redirect = options.pathWithEscapedSlashesAction === 'unescape-and-redirect';
    result = result.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
  }
  if (options.normalizePath) {
    const normal = normalSegments(result);
    if (normal === undefined) return REFUSED;
    result = normal;
  }
  if (options.mergeSlashes) result = result.replace(/\/{2,}/g, '/');
  if (result === path) return UNCHANGED;
  const whole = queryAt === -1 ? result : result + target.slice(queryAt);
  return { kind: redirect ? 'redirect' : 'changed', path: whole };
}

const ESCAPE = /%([0-9a-f]{2})/gi;
const UNRESERVED = /[A-Za-z0-9\-._~]/;

/** Undefined when the path holds an escaped NUL. */
function normalSegments(path: string): string | undefined {
  if (path.includes('%00')) return undefined;
  const unescaped = path
    .replace(ESCAPE, (escape, hex: string) => {
      const character = String.fromCharCode(Number.parseInt(hex, 16));
      return UNRESERVED.test(character) ? character : escape;
    })
    .replaceAll('\\', '/');
  const kept: string[] = [];
  const segments = unescaped.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string;
    const last = i === segments.length - 1;
    if (segment === '.') {
      if (last) kept.push('');
    } else if (segment === '..') {
      kept.pop();
      if (last) kept.push('');
    } else kept.push(segment);
  }
  return `/${kept.join('/')}`;
}
