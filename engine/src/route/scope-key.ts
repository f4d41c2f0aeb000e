import type { ScopeFragmentConfig } from '../config/scoped-routes-config.js';
import type { HeaderMap } from '../http/header-map.js';

/** The parts of a key as one text, by which scopes are found: no header may hold what parts them. */
export function scopeKey(fragments: readonly string[]): string {
  return fragments.join('\n');
}

/**
 * The key of a request; undefined when a part of it is not there, so that no scope serves it.
 *
 * Source: Envoy's ScopeKeyBuilder; of a header that is there several times the first counts.
 */
export function requestScopeKey(
  fragments: readonly ScopeFragmentConfig[],
  headers: HeaderMap,
): string | undefined {
  let key = '';
  for (let i = 0; i < fragments.length; i++) {
    const fragment = fragments[i] as ScopeFragmentConfig;
    const value = headers.get(fragment.header);
    const part = value === undefined ? undefined : extract(fragment, value);
    if (part === undefined) return undefined;
    key = i === 0 ? part : `${key}\n${part}`;
  }
  return key;
}

function extract({ elementSeparator, extract: how }: ScopeFragmentConfig, value: string): string | undefined {
  const elements = elementSeparator === '' ? [value] : value.split(elementSeparator);
  if (how.kind === 'index') return elements[how.index];
  for (const element of elements) {
    const at = element.indexOf(how.separator);
    if ((at === -1 ? element : element.slice(0, at)) !== how.key) continue;
    return at === -1 ? '' : element.slice(at + how.separator.length);
  }
  return undefined;
}
