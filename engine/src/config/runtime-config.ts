/** One layer of runtime settings; later layers win. Source: envoy.config.bootstrap.v3.RuntimeLayer. */
export type RuntimeLayerConfig =
  | { readonly kind: 'static'; readonly name: string; readonly values: RuntimeValues }
  /** What `/runtime_modify` of the admin pages sets. */
  | { readonly kind: 'admin'; readonly name: string }
  /** Fetched under `resource` (RTDS). Default of what is left out: 15 s; 0: without end. */
  | {
      readonly kind: 'rtds';
      readonly name: string;
      readonly resource: string;
      readonly initialFetchTimeoutMs?: number;
    };

/** Settings by their keys, which are parted by dots. */
export type RuntimeValues = ReadonlyMap<string, RuntimeValue>;

export interface RuntimeValue {
  /** As it is shown. */
  readonly text: string;
  /** undefined: it is none. */
  readonly number: number | undefined;
  /** What it is as a share of requests, 0..1; undefined: it is none. A whole number is a percentage. */
  readonly ratio: number | undefined;
}

/** Where settings are looked up. */
export interface RuntimeSettings {
  /** Nothing is set at all: nobody needs to look. */
  readonly isEmpty: boolean;
  /** A share of requests, 0..1. Without a key it is `otherwise`. */
  ratio(key: string | undefined, otherwise: number): number;
  /** A whole number. */
  integer(key: string | undefined, otherwise: number): number;
}
