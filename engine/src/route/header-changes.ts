import type { HeaderChange, HeaderChanges, RouteConfig, VirtualHostConfig } from '../config/route-config.js';
import type { FormatContext } from '../format/operators.js';
import { compileTemplate, type Template } from '../format/template.js';
import type { HeaderMap } from '../http/header-map.js';
import type { StreamInfo } from '../http/stream-info.js';

/** Header changes with their values compiled. */
export interface CompiledHeaderChanges {
  readonly remove: readonly string[];
  readonly set: readonly CompiledHeaderChange[];
}

export interface CompiledHeaderChange {
  readonly change: HeaderChange;
  /** undefined when the value is literal. */
  readonly template: Template | undefined;
}

/** No change at all. */
export const NO_HEADER_CHANGES: HeaderChanges = Object.freeze({
  remove: Object.freeze([]),
  set: Object.freeze([]),
});

/**
 * Compiles header changes once per config update.
 *
 * Errors: none; a value that does not compile (translation refuses those) is taken literally.
 */
export function compileHeaderChanges(
  changes: HeaderChanges,
  context: FormatContext = {},
): CompiledHeaderChanges {
  return {
    remove: changes.remove,
    set: changes.set.map((change) => {
      if (!change.hasOperators) return { change, template: undefined };
      const compiled = compileTemplate(change.value, context);
      return { change, template: 'template' in compiled ? compiled.template : undefined };
    }),
  };
}

/**
 * Applies changes in order to the headers of a message: in each, removals before additions, as Envoy does.
 *
 * Source: envoy.config.core.v3.HeaderValueOption. A value that turns out empty is not added unless it says so.
 */
export function applyHeaderChanges(
  changes: readonly CompiledHeaderChanges[],
  headers: HeaderMap,
  info: StreamInfo,
): void {
  for (let i = 0; i < changes.length; i++) {
    const { remove, set } = changes[i] as CompiledHeaderChanges;
    for (let j = 0; j < remove.length; j++) headers.remove(remove[j] as string);
    for (let j = 0; j < set.length; j++) applyOne(set[j] as CompiledHeaderChange, headers, info);
  }
}

// What an operator yields may hold anything; a header value may not.
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u0008\u000a-\u001f\u007f]/g;

function applyOne({ change, template }: CompiledHeaderChange, headers: HeaderMap, info: StreamInfo): void {
  let { value } = change;
  if (template !== undefined) value = template.format(info, '').replace(FORBIDDEN, ' ').trim();
  if (value === '' && !change.keepEmptyValue) return;
  switch (change.action) {
    case 'append-if-exists-or-add':
      headers.append(change.name, value, change.rawName);
      return;
    case 'add-if-absent':
      if (!headers.has(change.name)) headers.append(change.name, value, change.rawName);
      return;
    case 'overwrite-if-exists-or-add':
      headers.set(change.name, value, change.rawName);
      return;
    case 'overwrite-if-exists':
      if (headers.has(change.name)) headers.set(change.name, value, change.rawName);
      return;
  }
}

/**
 * The changes of route, virtual host and table in the order in which Envoy applies them: most specific first, or last
 * when `most_specific_header_mutations_wins` is set. The weighted cluster's come before (or after) all of these.
 */
export function effectiveHeaderChanges(
  table: Pick<RouteConfig, 'requestHeaders' | 'responseHeaders' | 'mostSpecificHeaderMutationsWins'>,
  host: Pick<VirtualHostConfig, 'requestHeaders' | 'responseHeaders'>,
  route: Pick<VirtualHostConfig, 'requestHeaders' | 'responseHeaders'>,
  side: 'requestHeaders' | 'responseHeaders',
): readonly HeaderChanges[] {
  const changes = [route[side], host[side], table[side]].filter(
    (one) => one.remove.length > 0 || one.set.length > 0,
  );
  return Object.freeze(table.mostSpecificHeaderMutationsWins ? changes.reverse() : changes);
}
