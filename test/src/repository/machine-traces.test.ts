import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { downloadAddressesIn, machinePathsIn } from './machine-traces.js';
import { repositoryRoot, textOf, trackedFiles } from './repository-files.js';

describe('the repository', () => {
  it('holds no path of the machine it was written on', () => {
    let read = 0;
    const found = trackedFiles().flatMap((file) => {
      const text = textOf(repositoryRoot, file);
      if (text === undefined || file === 'test/src/repository/machine-traces.test.ts') return [];
      read++;
      return machinePathsIn(text, repositoryRoot).map((place) => `${file}:${place}`);
    });
    assert.ok(read > 100, `only ${read} files were read`);
    assert.deepEqual(found, []);
  });

  it('has a lock file that says what to install and not from where', () => {
    const lockFile = textOf(repositoryRoot, 'package-lock.json');
    assert.ok(lockFile !== undefined && lockFile.includes('"integrity"'));
    assert.deepEqual(downloadAddressesIn(lockFile), []);
  });
});

describe('machinePathsIn', () => {
  it('finds home folders and the checkout', () => {
    const text = [
      'path: /home/maria/heddle/x',
      'fine',
      '"/Users/jo/x"',
      'C:\\Users\\jo',
      'cd /srv/build/heddle',
      'from /srv/build/heddle/cli',
    ];
    assert.deepEqual(
      machinePathsIn(text.join('\n'), '/srv/build/heddle').map((place) => Number.parseInt(place)),
      [1, 3, 4, 5, 6],
    );
  });

  it('takes addresses, examples and routes for what they are', () => {
    const text = [
      'https://example.com/home/maria/x',
      '/home/user/mesh',
      'GET /home HTTP/1.1',
      'path: /users/1/orders',
      '/srv/build/heddle-other',
    ];
    assert.deepEqual(machinePathsIn(text.join('\n'), '/srv/build/heddle'), []);
  });
});

describe('downloadAddressesIn', () => {
  it('finds addresses, and no links between workspaces', () => {
    const packages = {
      'node_modules/a': { resolved: 'https://packages.example/a.tgz' },
      'node_modules/b': { resolved: 'b', link: true },
      'node_modules/c': { version: '1.0.0' },
    };
    assert.deepEqual(downloadAddressesIn(JSON.stringify({ packages })), ['node_modules/a']);
  });
});
