import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const dist = path.dirname(fileURLToPath(import.meta.url));

describe("the package's exports", () => {
  it('lead to files that load', async () => {
    const manifest = JSON.parse(readFileSync(path.join(dist, '../package.json'), 'utf8')) as {
      exports: Record<string, { default: string }>;
    };
    assert.deepEqual(Object.keys(manifest.exports), [
      '.',
      './spiffe-id',
      './workload',
      './authority',
      './client',
      './sds',
      './testing',
    ]);
    for (const [subpath, target] of Object.entries(manifest.exports)) {
      const loaded = (await import(path.posix.join('@heddle/certs', subpath))) as object;
      assert.ok(Object.keys(loaded).length > 0, subpath);
      assert.ok(readFileSync(path.join(dist, '..', target.default)).length > 0);
    }
  });

  for (const entry of ['index.js', 'spiffe-id.js', 'workload/index.js']) {
    it(`load with ${entry} neither the authority nor a library that costs memory`, () => {
      const { files, packages } = loadedBy(path.join(dist, entry));
      assert.ok(files.length > 1);
      assert.deepEqual(
        files.filter((file) => /^(authority|testing)\//.test(file)),
        [],
      );
      const allowed = ['@heddle/common', 'node:crypto', 'node:fs', 'node:path'];
      assert.deepEqual(
        packages.filter((name) => !allowed.includes(name)),
        [],
      );
    });
  }

  it('load the client without the authority, and of libraries gRPC and the protos alone', () => {
    const { files, packages } = loadedBy(path.join(dist, 'client/index.js'));
    assert.ok(files.includes('client/workload-identity.js'));
    assert.deepEqual(
      files.filter((file) => /^(authority|testing)\//.test(file)),
      [],
    );
    assert.deepEqual(packages.filter((name) => !name.startsWith('node:')).sort(), [
      '@grpc/grpc-js',
      '@heddle/common',
      '@heddle/xds-protos',
    ]);
  });

  it('load the authority without a library as well, and the walk that says so does see it', () => {
    const { files, packages } = loadedBy(path.join(dist, 'authority/index.js'));
    assert.ok(files.includes('authority/authority.js') && files.includes('workload/trust-bundle.js'));
    assert.ok(packages.includes('node:net'));
    assert.equal(packages.includes('@peculiar/x509'), false);
  });
});

/** What a file imports, and what that imports. */
function loadedBy(entry: string): {
  readonly files: readonly string[];
  readonly packages: readonly string[];
} {
  const files = new Set([entry]);
  const packages = new Set<string>();
  for (const file of files) {
    for (const match of readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^;]*?\bfrom '([^']+)'/gm)) {
      const specifier = match[1] as string;
      if (specifier.startsWith('.')) files.add(path.join(path.dirname(file), specifier));
      else packages.add(specifier);
    }
  }
  return { files: [...files].map((file) => path.relative(dist, file)), packages: [...packages] };
}
