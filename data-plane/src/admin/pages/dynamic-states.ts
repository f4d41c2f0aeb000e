import { envoy } from '@heddle/xds-protos';
import type { DiscoveredResources } from '../../discovered-resources.js';

const { ACKED, NACKED } = envoy.admin.v3.ClientResourceStatus;

export type ProtoTimestamp = { readonly seconds: number; readonly nanos: number };

export interface DynamicState {
  readonly name: string;
  readonly held: DiscoveredResources['held'][number] | undefined;
  readonly refused: DiscoveredResources['refused'][number] | undefined;
  readonly any: { readonly typeUrl: string; readonly value: Uint8Array } | undefined;
  readonly lastUpdated: ProtoTimestamp | undefined;
  readonly status: {
    readonly errorState?: envoy.admin.v3.IUpdateFailureState;
    readonly clientStatus: number;
  };
}

/** Each resource that is held, refused, or both, in order of names. */
export function dynamicStates(
  discovered: DiscoveredResources,
  matches: (name: string) => boolean,
  typeUrl: string,
): readonly DynamicState[] {
  const held = new Map(discovered.held.map((one) => [one.name, one]));
  const refused = new Map(discovered.refused.map((one) => [one.name, one]));
  return [...new Set([...held.keys(), ...refused.keys()])]
    .filter(matches)
    .sort()
    .map((name) => {
      const good = held.get(name);
      const bad = refused.get(name);
      return {
        name,
        held: good,
        refused: bad,
        any: good && { typeUrl, value: good.bytes },
        lastUpdated: good && timestamp(good.updatedAtMs),
        status:
          bad === undefined
            ? { clientStatus: ACKED }
            : {
                clientStatus: NACKED,
                errorState: {
                  failedConfiguration: { typeUrl, value: bad.bytes },
                  lastUpdateAttempt: timestamp(bad.atMs),
                  details: bad.details,
                  versionInfo: bad.version,
                },
              },
      };
    });
}

export function timestamp(ms: number): ProtoTimestamp {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}
