/** What is to be placed. */
export interface Box {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

export interface Arrow {
  readonly source: string;
  readonly target: string;
}

export interface Placed {
  readonly x: number;
  readonly y: number;
  readonly layer: number;
}

export interface Layout {
  readonly places: ReadonlyMap<string, Placed>;
  readonly width: number;
  readonly height: number;
  /** Where the boxes begin that nothing leads to or from; undefined: there are none. */
  readonly idleY: number | undefined;
}

export interface LayoutOptions {
  readonly columnGap: number;
  readonly rowGap: number;
  readonly margin: number;
}

const SWEEPS = 8;

/**
 * Places boxes in columns, callers left of those whom they call. Pure: equal input gives equal places, and figures are no part of it,
 * so nothing moves while only figures change.
 *
 * Shape: layers by longest path with the arrows of cycles turned round, order within a layer by the mean of neighbours; boxes without
 * arrows stand in rows below.
 */
export function layOut(boxes: readonly Box[], arrows: readonly Arrow[], options: LayoutOptions): Layout {
  const { columnGap, rowGap, margin } = options;
  const byId = new Map([...boxes].sort((a, b) => (a.id < b.id ? -1 : 1)).map((box) => [box.id, box]));
  const known = arrows.filter(
    ({ source, target }) => source !== target && byId.has(source) && byId.has(target),
  );
  const linked = new Set(known.flatMap(({ source, target }) => [source, target]));
  const ids = [...byId.keys()].filter((id) => linked.has(id));
  const layers = orderLayers(layersOf(ids, withoutCycles(ids, known)), known);

  const places = new Map<string, Placed>();
  const heights = layers.map((layer) =>
    layer.reduce((sum, id) => sum + (byId.get(id)?.height ?? 0) + rowGap, -rowGap),
  );
  const tallest = Math.max(0, ...heights);
  let x = margin;
  for (const [i, layer] of layers.entries()) {
    let y = margin + (tallest - (heights[i] ?? 0)) / 2;
    let widest = 0;
    for (const id of layer) {
      const box = byId.get(id) as Box;
      places.set(id, { x, y, layer: i });
      y += box.height + rowGap;
      widest = Math.max(widest, box.width);
    }
    x += widest + columnGap;
  }
  let width = layers.length === 0 ? margin : x - columnGap + margin;
  let height = tallest === 0 ? margin : tallest + 2 * margin;

  const idle = [...byId.values()].filter(({ id }) => !linked.has(id));
  const idleY = idle.length === 0 ? undefined : height + (tallest === 0 ? 0 : 28);
  if (idleY !== undefined) {
    const rowWidth = Math.max(width, 4 * 220);
    let column = margin;
    let row = idleY;
    let rowHeight = 0;
    for (const box of idle) {
      if (column > margin && column + box.width + margin > rowWidth) {
        column = margin;
        row += rowHeight + 16;
        rowHeight = 0;
      }
      places.set(box.id, { x: column, y: row, layer: -1 });
      column += box.width + 16;
      rowHeight = Math.max(rowHeight, box.height);
      width = Math.max(width, column + margin - 16);
    }
    height = row + rowHeight + margin;
  }
  return { places, width, height, idleY };
}

/** The arrows with those turned round that lead back to where a walk came from. */
function withoutCycles(ids: readonly string[], arrows: readonly Arrow[]): readonly Arrow[] {
  const out = new Map<string, string[]>();
  const incoming = new Map<string, number>();
  for (const { source, target } of arrows) {
    out.set(source, [...(out.get(source) ?? []), target].sort());
    incoming.set(target, (incoming.get(target) ?? 0) + 1);
  }
  const state = new Map<string, 'open' | 'done'>();
  const kept: Arrow[] = [];
  // Without recursion: a chain of calls may be long.
  const walk = (from: string): void => {
    const stack: { readonly id: string; next: number }[] = [{ id: from, next: 0 }];
    state.set(from, 'open');
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const target = out.get(top.id)?.[top.next++];
      if (target === undefined) {
        state.set(top.id, 'done');
        stack.pop();
      } else if (state.get(target) === 'open') {
        kept.push({ source: target, target: top.id });
      } else {
        kept.push({ source: top.id, target });
        if (!state.has(target)) {
          state.set(target, 'open');
          stack.push({ id: target, next: 0 });
        }
      }
    }
  };
  const roots = [...ids].sort((a, b) => (incoming.get(a) ?? 0) - (incoming.get(b) ?? 0) || (a < b ? -1 : 1));
  for (const id of roots) if (!state.has(id)) walk(id);
  return kept;
}

function layersOf(ids: readonly string[], arrows: readonly Arrow[]): string[][] {
  const layer = new Map(ids.map((id) => [id, 0]));
  const waiting = new Map<string, number>();
  const out = new Map<string, string[]>();
  for (const { source, target } of arrows) {
    waiting.set(target, (waiting.get(target) ?? 0) + 1);
    out.set(source, [...(out.get(source) ?? []), target]);
  }
  const ready = ids.filter((id) => !waiting.has(id));
  for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
    for (const target of out.get(id) ?? []) {
      layer.set(target, Math.max(layer.get(target) ?? 0, (layer.get(id) ?? 0) + 1));
      const left = (waiting.get(target) ?? 0) - 1;
      waiting.set(target, left);
      if (left === 0) ready.push(target);
    }
  }
  const layers: string[][] = [];
  for (const id of ids) (layers[layer.get(id) ?? 0] ??= []).push(id);
  return Array.from(layers, (ids) => ids ?? []);
}

function orderLayers(layers: string[][], arrows: readonly Arrow[]): string[][] {
  const near = new Map<string, string[]>();
  for (const { source, target } of arrows) {
    near.set(source, [...(near.get(source) ?? []), target]);
    near.set(target, [...(near.get(target) ?? []), source]);
  }
  const position = new Map<string, number>();
  const note = (layer: readonly string[]): void =>
    layer.forEach((id, i) => position.set(id, (i + 0.5) / layer.length));
  for (const layer of layers) note(layer);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const order = sweep % 2 === 0 ? layers.keys() : [...layers.keys()].reverse();
    for (const i of order) {
      const wanted = new Map(
        (layers[i] ?? []).map((id) => {
          const others = near.get(id) ?? [];
          const sum = others.reduce((total, other) => total + (position.get(other) ?? 0), 0);
          return [id, others.length === 0 ? 0 : sum / others.length];
        }),
      );
      layers[i]?.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0) || (a < b ? -1 : 1));
      note(layers[i] ?? []);
    }
  }
  return layers;
}
