import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseHeddledArguments } from './bootstrap.js';

describe('parseHeddledArguments', () => {
  it('fills in the defaults, on loopback, with a token of its own', () => {
    const parsed = parseHeddledArguments(['-f', '/mesh', '--ca-dir', '/ca'], {});
    assert.equal(parsed.kind, 'run');
    if (parsed.kind !== 'run') return;
    assert.deepEqual(parsed.config.folders, ['/mesh']);
    assert.equal(parsed.config.xdsAddress, '127.0.0.1:15010');
    assert.deepEqual(
      { ...parsed.config.identity, random: undefined },
      {
        caFolder: '/ca',
        trustDomain: 'cluster.local',
        tlsHost: '127.0.0.1',
        tlsPort: 15_012,
        serverNames: [],
        plaintext: 'required',
        random: undefined,
      },
    );
    assert.equal(parsed.config.apiHost, '127.0.0.1');
    assert.equal(parsed.config.rootNamespace, 'istio-system');
    assert.equal(parsed.config.tokenIsGenerated, true);
    assert.ok(parsed.config.token.length >= 32);
  });

  it('takes the token from the environment when no file names one', () => {
    const parsed = parseHeddledArguments(['-f', '/mesh', '--ca-dir', '/ca'], { HEDDLE_TOKEN: 'abc' });
    assert.equal(parsed.kind === 'run' ? parsed.config.token : '', 'abc');
  });

  it('serves plain text on loopback alone', () => {
    for (const host of ['0.0.0.0', '10.0.0.1', '[::]', 'example.org', '127.0.0.1.example.org']) {
      const parsed = parseHeddledArguments(['-f', '/mesh', '--ca-dir', '/ca', '--xds', `${host}:15010`], {});
      assert.match(parsed.kind === 'error' ? parsed.message : '', /loopback/, host);
    }
    for (const host of ['localhost', '127.0.0.2', '[::1]']) {
      const parsed = parseHeddledArguments(['-f', '/mesh', '--ca-dir', '/ca', '--xds', `${host}:15010`], {});
      assert.equal(parsed.kind, 'run', host);
    }
  });

  it('does not serve xDS to anybody unless told so', () => {
    const parsed = parseHeddledArguments(['-f', '/mesh'], {});
    assert.match(parsed.kind === 'error' ? parsed.message : '', /--ca-dir FOLDER is missing/);
    const open = parseHeddledArguments(['-f', '/mesh', '--xds-auth', 'permissive'], {});
    assert.equal(open.kind === 'run' ? open.config.identity : '', undefined);
  });

  it('fetches keys of token issuers from this machine, and keeps them, only when told so', () => {
    const args = ['-f', '/mesh', '--ca-dir', '/ca'];
    const keySetsOf = (more: readonly string[]): unknown => {
      const parsed = parseHeddledArguments([...args, ...more], {});
      return parsed.kind === 'run' ? { ...parsed.config.keySets, random: undefined } : parsed;
    };
    assert.deepEqual(keySetsOf([]), { allowLoopback: false, folder: undefined, random: undefined });
    assert.deepEqual(keySetsOf(['--jwks-allow-loopback', '--jwks-dir', '/keys']), {
      allowLoopback: true,
      folder: '/keys',
      random: undefined,
    });
  });

  it('serves the webhook only when it is told how pods are injected', () => {
    const args = ['-f', '/mesh', '--ca-dir', '/ca'];
    const injectionOf = (more: readonly string[]): unknown => {
      const parsed = parseHeddledArguments([...args, ...more], {});
      return parsed.kind === 'run' ? parsed.config.injection : parsed.kind === 'error' ? parsed.message : '';
    };
    assert.equal(injectionOf([]), undefined);
    assert.deepEqual(injectionOf(['--injector-config', '/injector.yaml']), {
      configFile: '/injector.yaml',
      host: '127.0.0.1',
      port: 15_017,
    });
    assert.deepEqual(injectionOf(['--injector-config', '/injector.yaml', '--webhook', '[::]:443']), {
      configFile: '/injector.yaml',
      host: '::',
      port: 443,
    });
    assert.match(String(injectionOf(['--webhook', '0.0.0.0:15017'])), /--injector-config FILE is missing/);
    assert.match(String(injectionOf(['--injector-config', 'x', '--webhook', 'x'])), /expected HOST:PORT/);
    const open = ['-f', '/mesh', '--xds-auth', 'permissive', '--injector-config', 'x'];
    const parsed = parseHeddledArguments(open, {});
    assert.match(parsed.kind === 'error' ? parsed.message : '', /--ca-dir FOLDER is missing/);
  });

  it('names every mistake at once', () => {
    const parsed = parseHeddledArguments(
      [
        '--api',
        'x',
        '--xds',
        '1',
        '--root-namespace',
        'A.b',
        '--xds-auth',
        'no',
        '--trust-domain',
        'A B',
        '--log-level',
        'loud',
      ],
      {},
    );
    assert.equal(parsed.kind, 'error');
    if (parsed.kind !== 'error') return;
    for (const part of [
      '-f FOLDER',
      '--root-namespace A.b',
      '--api x',
      '--xds 1',
      '--xds-auth no',
      '--trust-domain A B',
      '--log-level loud',
    ]) {
      assert.ok(parsed.message.includes(part), part);
    }
  });

  it('refuses an unknown option', () => {
    assert.equal(parseHeddledArguments(['-f', 'x', '--ca-dir', 'x', '--colour'], {}).kind, 'error');
  });
});
