import type { ModeSpec, PolicyTargetSpec } from './shared-fields.js';

/* `Telemetry` of telemetry.istio.io. What the schemas of `source/schema` let through: every field may be absent. */

export interface MetricsSpec {
  readonly overrides?: readonly {
    readonly match?: ModeSpec & { readonly metric?: string; readonly customMetric?: string };
    readonly disabled?: boolean;
    readonly tagOverrides?: Readonly<
      Record<string, { readonly operation?: string; readonly value?: string }>
    >;
  }[];
}

export interface TelemetrySpec extends PolicyTargetSpec {
  readonly metrics?: readonly MetricsSpec[];
  readonly accessLogging?: readonly { readonly match?: ModeSpec; readonly disabled?: boolean }[];
}
