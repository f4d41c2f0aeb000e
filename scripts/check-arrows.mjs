// Checks who imports whom (.dependency-cruiser.cjs), and that the check itself works: that every source file was read,
// that its imports were seen, and that each rule finds an import planted for it in a copy of the layout elsewhere.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { ALLOWED, REFUSED } from './planted-arrows.mjs';
import { root, sourceFiles, workspaces } from './workspaces.mjs';

const require = createRequire(import.meta.url);
const config = path.join(root, '.dependency-cruiser.cjs');
const program = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
const failures = [];

/** Runs dependency-cruiser in a folder. It is a child because it trusts the current directory everywhere. */
function cruise(cwd, folders) {
  const child = spawnSync(
    process.execPath,
    [program, '--config', config, '--output-type', 'json', ...folders],
    {
      cwd,
      encoding: 'utf8',
      maxBuffer: 256 * 1024 * 1024,
    },
  );
  try {
    const { modules, summary } = JSON.parse(child.stdout);
    return {
      modules,
      violations: summary.violations.map(({ rule, from, to, cycle }) => ({
        rule: rule.name,
        from,
        to: cycle ? cycle.map((step) => step.name).join(' → ') : to,
      })),
    };
  } catch {
    console.error(child.stderr);
    throw new Error('dependency-cruiser gave no result');
  }
}

function checkSources() {
  const sources = sourceFiles();
  const { modules, violations } = cruise(
    root,
    workspaces.map((workspace) => `${workspace}/src`),
  );
  for (const { rule, from, to } of violations) failures.push(`${rule}: ${from} → ${to}`);

  const read = new Map(modules.map((module) => [module.source, module.dependencies.length]));
  let imports = 0;
  for (const file of sources) {
    const seen = read.get(file);
    if (seen === undefined) failures.push(`not read: ${file}`);
    else if (
      seen === 0 &&
      /^(import|export) [^;]*? from '/m.test(readFileSync(path.join(root, file), 'utf8'))
    )
      failures.push(`its imports were not seen: ${file}`);
    imports += seen ?? 0;
  }
  // Half an import a file is far below any real tree and far above a parser that reads nothing.
  if (sources.length < 20 || imports < sources.length / 2)
    failures.push(`only ${sources.length} files and ${imports} imports were read: this check proves nothing`);
  return { files: sources.length, imports };
}

/** The layout with nothing in it but planted imports, and packages that hold nothing. */
function plantedTree() {
  const tree = mkdtempSync(path.join(os.tmpdir(), 'heddle-arrows-'));
  const write = (file, text) => {
    mkdirSync(path.dirname(path.join(tree, file)), { recursive: true });
    writeFileSync(path.join(tree, file), text);
  };
  const rootPackage = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const folders = [...new Set([...workspaces, 'injector'])];
  write('package.json', JSON.stringify({ ...rootPackage, workspaces: folders }));
  cpSync(path.join(root, 'tsconfig.base.json'), path.join(tree, 'tsconfig.base.json'));
  for (const folder of folders) {
    const own = workspaces.includes(folder)
      ? JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8'))
      : {
          name: `@heddle/${folder}`,
          type: 'module',
          exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
        };
    write(`${folder}/package.json`, JSON.stringify(own));
    for (const file of ['src/index.ts', 'dist/index.d.ts', 'dist/index.js'])
      write(`${folder}/${file}`, 'export {};\n');
    // npm links workspaces; a link is what the rules must see through.
    mkdirSync(path.join(tree, 'node_modules/@heddle'), { recursive: true });
    symlinkSync(path.join('../..', folder), path.join(tree, 'node_modules/@heddle', folder), 'dir');
  }
  for (const name of ['yaml', 're2js', 'fast-check', 'http-proxy', 'protobufjs', '@grpc/grpc-js']) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    write(`node_modules/${name}/index.js`, 'module.exports = {};\n');
  }
  const planted = new Map();
  const imports = [...REFUSED.map(([, ...planted]) => planted), ...ALLOWED];
  for (const [file, specifier, kind] of imports) {
    const statement = kind === 'value' ? `import '${specifier}';` : `import type {} from '${specifier}';`;
    planted.set(file, `${planted.get(file) ?? ''}${statement}\n`);
  }
  for (const [file, specifier] of imports) {
    if (!specifier.startsWith('.') || specifier.includes('no-such-file')) continue;
    const target = path.posix.join(path.posix.dirname(file), specifier).replace(/\.js$/, '.ts');
    if (!planted.has(target) && !target.includes('/dist/')) planted.set(target, 'export {};\n');
  }
  for (const [file, text] of planted) write(file, text);
  return { tree, folders };
}

function checkPlanted() {
  const { tree, folders } = plantedTree();
  try {
    const { violations } = cruise(
      tree,
      folders.map((folder) => `${folder}/src`),
    );
    for (const [rule, file, specifier] of REFUSED)
      if (!violations.some((violation) => violation.rule === rule && violation.from === file))
        failures.push(`planted, but not found by ${rule}: ${file} imports ${specifier}`);
    for (const [file, specifier] of ALLOWED)
      for (const violation of violations.filter(({ from }) => from === file))
        failures.push(`${violation.rule} refuses what is allowed: ${file} imports ${specifier}`);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
  const proven = new Set(REFUSED.map(([rule]) => rule));
  for (const { name } of require(config).forbidden)
    if (!proven.has(name)) failures.push(`no violation is planted for the rule ${name}`);
}

const { files, imports } = checkSources();
checkPlanted();
for (const failure of failures) console.error(failure);
console.log(`arrows: ${files} files, ${imports} imports, ${REFUSED.length} planted ones refused`);
process.exitCode = failures.length === 0 ? 0 : 1;
