import type { Runtime } from '../../runtime/runtime.js';
import { json, text, type AdminPage } from '../admin-page.js';

/** `/runtime` in Envoy's shape, and `/runtime_modify`. `onModified` hears of changes that were made. */
export function runtimePages(
  runtime: Runtime,
  onModified: (changes: ReadonlyMap<string, string>) => void,
): readonly AdminPage[] {
  return [
    {
      path: '/runtime',
      description: 'print runtime values',
      respond() {
        const { layers, entries } = runtime.view();
        const shown = entries.map(([key, values]) => [
          key,
          { layer_values: values, final_value: values.findLast((one) => one !== '') ?? '' },
        ]);
        return json({ layers, entries: Object.fromEntries(shown) as unknown });
      },
    },
    {
      path: '/runtime_modify',
      description: 'Adds or modifies runtime values: key1=value1&key2=value2; an empty value takes one back',
      mutates: true,
      respond({ query }) {
        const changes = new Map(query);
        if (changes.size === 0) return text('usage: /runtime_modify?key1=value1&key2=value2\n', 400);
        const why = runtime.modify(changes);
        if (why !== undefined) return text(`${why}\n`, 503);
        onModified(changes);
        return text('OK\n');
      },
    },
  ];
}
