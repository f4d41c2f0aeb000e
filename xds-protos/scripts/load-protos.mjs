import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import protobuf from 'protobufjs';

/** The .proto files below a directory, sorted, with forward slashes. */
export function protoFilesIn(directory) {
  return readdirSync(directory, { recursive: true })
    .map((name) => name.split(path.sep).join('/'))
    .filter((name) => name.endsWith('.proto'))
    .sort();
}

/**
 * Parses all of proto/ into a resolved protobufjs root; a field's comment holds its `left out: TYPE` mark.
 *
 * Parsed file by file and not with `root.load`, which would take protobufjs's own google/protobuf/*, whose names differ.
 * Errors: a file that cannot be parsed, an import that is not in the directory, a type that is nowhere.
 */
export function loadProtos(directory, options = {}) {
  const root = new protobuf.Root();
  const names = protoFilesIn(directory);
  const known = new Set(names);
  for (const name of names) {
    protobuf.parse.filename = name;
    const source = readFileSync(path.join(directory, name), 'utf8');
    const { imports = [] } = protobuf.parse(source, root, { alternateCommentMode: true, ...options });
    for (const imported of imports)
      if (!known.has(imported)) throw new Error(`${name}: imports ${imported}, which is not there`);
  }
  root.resolveAll();
  return root;
}

/** The full name of the message type that a `bytes` field stands for, or undefined when it is an ordinary field. */
export function leftOutTypeOf(field) {
  return /^left out: ([\w.]+)$/.exec(field.comment ?? '')?.[1];
}
