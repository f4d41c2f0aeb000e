import { acceptedFilters as configs } from '@heddle/engine';
import type { HttpObserver } from '../../filter.js';

/** Filters that do nothing: see their list in the engine, which says why they may. */
export const acceptedFilters: readonly HttpObserver[] = configs.map(({ name, typeUrl }) => ({
  name,
  typeUrl,
  observe: () => undefined,
}));
