const NO_CODES: number[] = [];
/** Up to this many children are scanned: faster than hashing. */
const MOST_SCANNED = 12;

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
  children: PrefixNode[] | undefined = undefined;
  /** The first character code of each child's label. */
  codes: number[] = NO_CODES;
  /** The children by that code, where there are many. */
  byCode: Map<number, PrefixNode> | undefined = undefined;

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
      const child = node.#childAt(code);
      if (child === undefined) {
        const leaf = new PrefixNode(prefix.slice(at));
        leaf.least = route;
        leaf.routes.push(route);
        node.#add(code, leaf);
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
    lower.codes = this.codes;
    lower.byCode = this.byCode;
    this.label = this.label.slice(0, length);
    this.routes = [];
    this.children = undefined;
    this.codes = NO_CODES;
    this.byCode = undefined;
    this.#add(lower.label.charCodeAt(0), lower);
  }

  #add(code: number, child: PrefixNode): void {
    if (this.children === undefined) {
      this.children = [child];
      this.codes = [code];
    } else {
      this.children.push(child);
      this.codes.push(code);
    }
    if (this.byCode !== undefined) this.byCode.set(code, child);
    else if (this.children.length > MOST_SCANNED) {
      this.byCode = new Map(this.children.map((one, i) => [this.codes[i] as number, one]));
    }
  }

  #childAt(code: number): PrefixNode | undefined {
    if (this.byCode !== undefined) return this.byCode.get(code);
    const { codes } = this;
    for (let i = 0; i < codes.length; i++) {
      if (codes[i] === code) return (this.children as PrefixNode[])[i];
    }
    return undefined;
  }

  /** The child whose label `path` continues with at `at`, if any. */
  step(path: string, at: number): PrefixNode | undefined {
    // Past the end there is no character code, and asking a map for NaN is slow.
    if (this.children === undefined || at >= path.length) return undefined;
    const child = this.#childAt(path.charCodeAt(at));
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
