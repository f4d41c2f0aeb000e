import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCommandLine, type CommandLine } from './command-line.js';

function run(...args: string[]): CommandLine {
  const parsed = parseCommandLine(args);
  assert.equal(parsed.kind, 'run');
  return (parsed as { commandLine: CommandLine }).commandLine;
}

describe('the command line', () => {
  it('takes the options that Envoy takes', () => {
    const line = run(
      ...['-c', 'a.yaml', '--config-yaml', 'node: {}', '--mode', 'validate', '-l', 'warning'],
      ...['--service-node', 'n', '--service-cluster', 'c', '--service-zone', 'z', '--drain-time-s', '7'],
      ...['--admin-address-path', 'admin.txt', '--base-id', '3', '--state-dir', 'state'],
      ...['--max-series', '100'],
    );
    assert.deepEqual(line, {
      configPath: 'a.yaml',
      configYaml: 'node: {}',
      mode: 'validate',
      logLevel: 'warn',
      serviceNode: 'n',
      serviceCluster: 'c',
      serviceZone: 'z',
      adminAddressPath: 'admin.txt',
      drainTimeMs: 7000,
      identity: {
        caAddress: undefined,
        caServerName: undefined,
        caRootFile: undefined,
        caTokenFile: undefined,
        identity: undefined,
        certificateTtl: undefined,
      },
      stateDirectory: 'state',
      maxSeries: 100,
      baseId: 3,
      concurrency: 1,
      notices: [],
    });
  });

  it('says which options have no effect, except those that nobody would miss', () => {
    const line = run('-c', 'a', '--disable-hot-restart', '--log-path', 'x', '--cpuset-threads');
    assert.deepEqual(line.notices, [
      '--log-path: accepted, without effect',
      '--cpuset-threads: accepted, without effect',
    ]);
  });

  it('takes as many workers as are asked for, and one at least, as Envoy', () => {
    assert.equal(run('-c', 'a').concurrency, 1);
    assert.equal(run('-c', 'a', '--concurrency', '0').concurrency, 1);
    assert.equal(run('-c', 'a', '--concurrency', '4').concurrency, 4);
  });

  it('names every mistake', () => {
    assert.deepEqual(parseCommandLine(['--mode', 'x', '-l', 'loud', '--drain-time-s', '1s', '--base-id=a']), {
      kind: 'problems',
      problems: [
        '-c FILE is missing: where is the bootstrap?',
        '--mode x: expected serve or validate',
        '--log-level loud: expected trace, debug, info, warning, error, critical or off',
        '--drain-time-s 1s: expected a whole number from 0 to 86400',
        '--base-id a: expected a whole number from 0 to 4294967295',
      ],
    });
  });

  it('knows help and version', () => {
    assert.deepEqual(parseCommandLine(['--help']), { kind: 'help' });
    assert.deepEqual(parseCommandLine(['-c', 'x', '--version']), { kind: 'version' });
  });
});
