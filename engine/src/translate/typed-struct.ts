import { fromJson, google, messageType, udpa, unpackAny, xds, type ProtoProblem } from '@heddle/xds-protos';
import { join, type Findings } from './findings.js';
import { structToJson } from './proto-values.js';

const FORMS = [udpa.type.v1.TypedStruct, xds.type.v3.TypedStruct];

/**
 * An `Any` as it is, or what a `TypedStruct` in it stands for. Istio's control plane writes its own filters so.
 *
 * Source: xds.type.v3.TypedStruct.
 * Errors: problems where the JSON is not that of the message.
 */
export function unwrapTypedStruct(
  any: google.protobuf.Any | null,
  path: string,
  findings: Findings,
): google.protobuf.Any | null {
  if (any === null) return null;
  for (const form of FORMS) {
    let struct: udpa.type.v1.TypedStruct | xds.type.v3.TypedStruct | undefined;
    try {
      struct = unpackAny<udpa.type.v1.TypedStruct | xds.type.v3.TypedStruct>(any, form);
    } catch {
      // Whoever reads it as what it is called says so.
      return any;
    }
    if (struct === undefined) continue;
    const type = messageType(struct.typeUrl);
    const problems: ProtoProblem[] = [];
    const json = struct.value === null ? {} : structToJson(struct.value);
    const message = type === undefined ? undefined : fromJson(type, json, problems);
    for (const problem of problems)
      findings.problem(join(path, join('value', problem.path)), problem.message);
    const value = message === undefined ? undefined : type?.encode(message).finish();
    return google.protobuf.Any.create({ typeUrl: struct.typeUrl, value: value ?? new Uint8Array(0) });
  }
  return any;
}
