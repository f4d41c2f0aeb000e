// Generates gen/ from proto/: the static codecs (protobufjs-cli), their TypeScript declarations and the descriptor
// table of the ProtoJSON mapper. Does nothing when neither the inputs nor the generators changed.
//
//   node xds-protos/scripts/generate.mjs [--force]
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { protoFilesIn } from './load-protos.mjs';

const require = createRequire(import.meta.url);
const scriptDirectory = fileURLToPath(new URL('./', import.meta.url));
const protoDirectory = fileURLToPath(new URL('../proto/', import.meta.url));
const outputDirectory = fileURLToPath(new URL('../gen/', import.meta.url));
const stampPath = path.join(outputDirectory, 'stamp');
const outputs = ['protos.js', 'protos.d.ts', 'descriptors.js', 'descriptors.d.ts'];

function hashOfInputs() {
  const hash = createHash('sha256');
  for (const name of protoFilesIn(protoDirectory))
    hash.update(name).update(readFileSync(path.join(protoDirectory, name)));
  for (const name of readdirSync(scriptDirectory).sort())
    hash.update(name).update(readFileSync(path.join(scriptDirectory, name)));
  for (const name of ['protobufjs', 'protobufjs-cli']) hash.update(require(`${name}/package.json`).version);
  return hash.digest('hex');
}

const stamp = hashOfInputs();
const fresh =
  existsSync(stampPath) &&
  readFileSync(stampPath, 'utf8') === stamp &&
  outputs.every((name) => existsSync(path.join(outputDirectory, name)));
if (fresh && !process.argv.includes('--force')) process.exit(0);

const [{ loadProtos }, { declare }, { describe }] = await Promise.all([
  import('./load-protos.mjs'),
  import('./declarations.mjs'),
  import('./descriptors.mjs'),
]);
const generateCode = promisify(require('protobufjs-cli/pbjs').generate);
const code = await generateCode(loadProtos(protoDirectory), {
  target: 'static-module',
  wrap: 'esm',
  dependency: '../dist/protobuf-runtime.js',
  root: 'heddle',
  lint: 'eslint-disable',
  create: false,
  verify: false,
  convert: false,
  delimited: false,
  typeurl: false,
  service: false,
  comments: false,
});

/** Adds to each message its `typeName`, and one shared, deep `create`, which protobufjs does not have. */
function addStatics(source, root) {
  const names = [];
  (function collect(namespace) {
    for (const object of namespace.nestedArray) {
      if (object.fieldsArray) names.push(object.fullName.slice(1));
      if (object.nestedArray) collect(object);
    }
  })(root);
  let index = 0;
  const changed = source.replace(/^( *)(\w+)\.encode = function/gm, (match, indent, local) => {
    const name = names[index++];
    if (name?.split('.').at(-1) !== local)
      throw new Error(`expected the codec of ${name}, found that of ${local}`);
    return `${indent}${local}.typeName = "${name}";\n${indent}${local}.create = $create;\n${match}`;
  });
  if (index !== names.length) throw new Error(`found ${index} codecs for ${names.length} messages`);
  return changed.replace(
    /^const \$root = /m,
    'const $create = function(properties) { return this.decode(this.encode(properties || {}).finish()); };\n$&',
  );
}

mkdirSync(outputDirectory, { recursive: true });
const write = (name, text) => writeFileSync(path.join(outputDirectory, name), text);
const root = loadProtos(protoDirectory);
// Without indentation and empty lines: the engine keeps the source in memory.
write('protos.js', addStatics(code, root).replace(/^\s+/gm, ''));
write('protos.d.ts', declare(root));
write('descriptors.js', describe(root));
write(
  'descriptors.d.ts',
  'export const messages: readonly string[];\nexport const enums: readonly string[];\n',
);
write('stamp', stamp);
