/** Whether a type only makes a scalar optional: its JSON is the scalar. */
export function isWrapper(typeName: string): boolean {
  return /^google\.protobuf\.(?:Double|Float|U?Int64|U?Int32|Bool|String|Bytes)Value$/.test(typeName);
}

/** The types whose JSON is not an object of their fields; inside an `Any` it stands under `value`. */
export function hasOwnJsonForm(typeName: string): boolean {
  switch (typeName) {
    case 'google.protobuf.Any':
    case 'google.protobuf.Duration':
    case 'google.protobuf.FieldMask':
    case 'google.protobuf.ListValue':
    case 'google.protobuf.Struct':
    case 'google.protobuf.Timestamp':
    case 'google.protobuf.Value':
      return true;
    default:
      return isWrapper(typeName);
  }
}
