import {
  compileTemplate,
  type FilterState,
  type FilterStateObject,
  type SetFilterStateConfig,
} from '@heddle/engine';
import { FilterStatus, type DecoderFilter, type FilterHandle, type HttpFilter } from '../../filter.js';

/** One object that every request leaves, ready to be filled in. */
interface PreparedObject {
  readonly key: string;
  readonly value: (handle: FilterHandle) => string;
  readonly shared: FilterStateObject['shared'];
  readonly skipIfEmpty: boolean;
}

/** Source: envoy.extensions.filters.http.set_filter_state.v3. */
export const setFilterStateFilter: HttpFilter = {
  name: 'envoy.filters.http.set_filter_state',
  typeUrl: 'type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config',
  create(config) {
    const objects = (config as SetFilterStateConfig).onRequest.map((one): PreparedObject => {
      const compiled = compileTemplate(one.format);
      const value =
        'template' in compiled
          ? ({ info }: FilterHandle) => compiled.template.format(info, one.missing)
          : () => one.format;
      return { ...one, value };
    });
    return (handle) => new SetFilterStateFilter(objects, handle);
  },
};

class SetFilterStateFilter implements DecoderFilter {
  readonly #objects: readonly PreparedObject[];
  readonly #handle: FilterHandle;

  constructor(objects: readonly PreparedObject[], handle: FilterHandle) {
    this.#objects = objects;
    this.#handle = handle;
  }

  decodeHeaders(): FilterStatus {
    const { info } = this.#handle;
    // The connection's own is not the request's to change.
    const state = new Map<string, FilterStateObject>(info.filterState as FilterState | undefined);
    for (const { key, value, shared, skipIfEmpty } of this.#objects) {
      const text = value(this.#handle);
      if (text !== '' || !skipIfEmpty) state.set(key, { value: text, shared });
    }
    info.filterState = state;
    return FilterStatus.Continue;
  }

  onDestroy(): void {
    // Nothing is under way.
  }
}
