import type { RouteEntryConfig } from '../config/route-config.js';
import type { RequestHead } from '../http/message-head.js';
import { PrefixNode } from './prefix-tree.js';
import { asksForPathAlone, mismatch } from './route-mismatch.js';

const NONE = -1;
const NONE_PLAIN = new Uint8Array(0);

/** Routes by path, in one case: exact paths hashed, prefixes in a radix tree. */
class PathIndex {
  readonly #exact = new Map<string, number[]>();
  readonly #prefixes = new PrefixNode('');
  empty = true;

  add(kind: 'exact' | 'prefix', value: string, route: number): void {
    this.empty = false;
    if (kind === 'prefix') {
      this.#prefixes.insert(value, route);
      return;
    }
    const routes = this.#exact.get(value);
    if (routes === undefined) this.#exact.set(value, [route]);
    else routes.push(route);
  }

  /** The first route that matches and comes before `best`, else `best`. `key` is the path in this index's case. */
  first(
    routes: readonly RouteEntryConfig[],
    plain: Uint8Array,
    head: RequestHead,
    path: string,
    key: string,
    randomValue: number,
    best: number,
  ): number {
    const exact = this.#exact.size === 0 ? undefined : this.#exact.get(key);
    if (exact !== undefined) best = firstOf(exact, routes, plain, head, path, randomValue, best);
    let node: PrefixNode | undefined = this.#prefixes;
    let at = 0;
    while (node !== undefined && node.least < best) {
      if (node.routes.length > 0) best = firstOf(node.routes, routes, plain, head, path, randomValue, best);
      node = node.step(key, at);
      if (node !== undefined) at += node.label.length;
    }
    return best;
  }
}

function firstOf(
  candidates: readonly number[],
  routes: readonly RouteEntryConfig[],
  plain: Uint8Array,
  head: RequestHead,
  path: string,
  randomValue: number,
  best: number,
): number {
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as number;
    if (candidate >= best) return best;
    if (
      plain[candidate] === 1 ||
      mismatch(routes[candidate] as RouteEntryConfig, head, path, randomValue) === 0
    ) {
      return candidate;
    }
  }
  return best;
}

/**
 * Finds the first matching route of one virtual host, without walking them all.
 *
 * The index only proposes candidates; `mismatch` decides, so an index that proposes too many is slow and never wrong. Routes
 * that ask for nothing but their exact path or prefix are decided by the index: it has compared every character of it.
 * Cost: flat in the number of exact and prefix routes; linear in those that match by regular expression, by CONNECT, and
 * in routes that share one path.
 */
export class RouteIndex {
  readonly #routes: readonly RouteEntryConfig[];
  readonly #cased = new PathIndex();
  readonly #caseless = new PathIndex();
  readonly #linear: number[] = [];
  /** By route: 1 when a path that the index proposes it for is all that it asks. */
  readonly #plain: Uint8Array;

  constructor(routes: readonly RouteEntryConfig[]) {
    this.#routes = routes;
    this.#plain = Uint8Array.from(routes, (route) => (asksForPathAlone(route) ? 1 : 0));
    routes.forEach((route, i) => {
      const { path, caseSensitive } = route.match;
      if (path.kind === 'regex' || path.kind === 'connect') {
        this.#linear.push(i);
        return;
      }
      const kind = path.kind === 'exact' ? 'exact' : 'prefix';
      if (caseSensitive) this.#cased.add(kind, path.value, i);
      else this.#caseless.add(kind, path.value.toLowerCase(), i);
    });
  }

  /** The number of the first matching route, or -1. */
  find(head: RequestHead, path: string, randomValue: number): number {
    const routes = this.#routes;
    const plain = path === '' ? NONE_PLAIN : this.#plain;
    const unset = routes.length;
    let best = unset;
    if (!this.#cased.empty) best = this.#cased.first(routes, plain, head, path, path, randomValue, best);
    if (!this.#caseless.empty) {
      best = this.#caseless.first(routes, plain, head, path, path.toLowerCase(), randomValue, best);
    }
    if (this.#linear.length > 0) best = firstOf(this.#linear, routes, plain, head, path, randomValue, best);
    return best === unset ? NONE : best;
  }
}

/** The same answer as `RouteIndex.find`, by asking every route in order. */
export function walkRoutes(
  routes: readonly RouteEntryConfig[],
  head: RequestHead,
  path: string,
  randomValue: number,
): number {
  for (let i = 0; i < routes.length; i++) {
    if (mismatch(routes[i] as RouteEntryConfig, head, path, randomValue) === 0) return i;
  }
  return NONE;
}
