/**
 * A radix tree from path prefixes to the numbers of the routes that ask for them.
 *
 * Shape: a node's `label` is the text on the edge above it; `routes` are in ascending order; `least` is the smallest
 * route number at or below the node, so that a walk can stop once nothing better is left.
 */
export class PrefixNode {
  label: string;
  routes: number[] = [];
  least = Number.MAX_SAFE_INTEGER;
  /** By the first character code of the child's label. */
  children: Map<number, PrefixNode> | undefined;

  constructor(label: string) {
    this.label = label;
  }

  /** Adds a route; routes must come in ascending order. */
  insert(prefix: string, route: number): void {
    let node: PrefixNode = this;
    node.least = Math.min(node.least, route);
    let at = 0;
    while (at < prefix.length) {
      const code = prefix.charCodeAt(at);
      const child = node.children?.get(code);
      if (child === undefined) {
        const leaf = new PrefixNode(prefix.slice(at));
        leaf.least = route;
        leaf.routes.push(route);
        (node.children ??= new Map<number, PrefixNode>()).set(code, leaf);
        return;
      }
      const common = commonLength(child.label, prefix, at);
      if (common < child.label.length) child.#split(common);
      child.least = Math.min(child.least, route);
      node = child;
      at += common;
    }
    node.routes.push(route);
  }

  #split(length: number): void {
    const lower = new PrefixNode(this.label.slice(length));
    lower.routes = this.routes;
    lower.least = this.least;
    lower.children = this.children;
    this.label = this.label.slice(0, length);
    this.routes = [];
    this.children = new Map([[lower.label.charCodeAt(0), lower]]);
  }

  /** The child whose label `path` continues with at `at`, if any. */
  step(path: string, at: number): PrefixNode | undefined {
    // Past the end there is no character code, and asking a map for NaN is slow.
    if (this.children === undefined || at >= path.length) return undefined;
    const child = this.children.get(path.charCodeAt(at));
    return child !== undefined && (child.label.length === 1 || path.startsWith(child.label, at))
      ? child
      : undefined;
  }
}

function commonLength(label: string, prefix: string, at: number): number {
  const most = Math.min(label.length, prefix.length - at);
  let length = 1;
  while (length < most && label.charCodeAt(length) === prefix.charCodeAt(at + length)) length++;
  return length;
}
