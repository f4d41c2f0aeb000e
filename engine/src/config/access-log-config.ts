/** Where and how one access log is written. Source: envoy.config.accesslog.v3.AccessLog. */
export interface AccessLogConfig {
  readonly name: string;
  readonly sink: { readonly kind: 'file'; readonly path: string } | { readonly kind: 'stdout' | 'stderr' };
  readonly format: AccessLogFormat;
  readonly filter: AccessLogFilterConfig | undefined;
}

/** `default` is our JSON line; `text` and `json` hold Envoy command operators such as `%RESPONSE_CODE%`. */
export type AccessLogFormat =
  | { readonly kind: 'default' }
  | { readonly kind: 'text'; readonly template: string; readonly omitEmptyValues: boolean }
  | { readonly kind: 'json'; readonly fields: JsonLogFields; readonly omitEmptyValues: boolean };

/** A JSON object whose string leaves are templates. */
export interface JsonLogFields {
  readonly [name: string]: JsonLogValue;
}

/** A template, a constant, or more of them. */
export type JsonLogValue = string | number | boolean | null | JsonLogFields | readonly JsonLogValue[];

/** Source: envoy.config.accesslog.v3.AccessLogFilter; the kinds that are understood. */
export type AccessLogFilterConfig =
  | {
      readonly kind: 'status-code' | 'duration';
      readonly op: 'eq' | 'ge' | 'le' | 'ne';
      readonly value: number;
    }
  | { readonly kind: 'not-health-check' }
  | { readonly kind: 'response-flag'; readonly flags: readonly string[] }
  | { readonly kind: 'and' | 'or'; readonly filters: readonly AccessLogFilterConfig[] };
