/**
 * One thing that is wrong in a piece of configuration.
 *
 * Shape: `path` points into the resource, in the field names of the proto
 * (`filter_chains[0].filters[1].typed_config.route_config`); `message` says what is wrong and what was expected.
 */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/**
 * The outcome of translating one xDS resource: either a frozen config that will run as it is, or every problem found.
 * `warnings` name what was accepted but has no effect here (unknown tags outside matching, deprecated fields).
 */
export type Translated<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };
