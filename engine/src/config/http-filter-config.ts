/**
 * One HTTP filter of a chain, its `Any` already decoded by the filter's own parser.
 *
 * Shape: `typeUrl` names the filter; `config` is what its parser returned (each filter casts it back in one place).
 */
export interface HttpFilterConfig {
  readonly name: string;
  readonly typeUrl: string;
  readonly config: unknown;
  readonly disabled: boolean;
}
