import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FakeClock, createLogger, silentLogger } from '@heddle/common';
import { InjectorConfigFile } from './injector-config-file.js';

const folder = mkdtempSync(join(tmpdir(), 'heddle-injector-config-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'injector.yaml');

describe("the injector's configuration file", () => {
  it('is followed; what is wrong with an edit is told once, and the last good version stays', async () => {
    writeFileSync(file, 'image: a:1\n');
    const lines: string[] = [];
    const log = createLogger({ component: 'x', level: 'info', sink: { write: (line) => lines.push(line) } });
    const config = new InjectorConfigFile({ file, clock: new FakeClock(), log });
    assert.equal(config.config.image, 'a:1');

    writeFileSync(file, 'image: b:1\nimagePullPolicy: always\n');
    await config.reread();
    await config.reread();
    assert.equal(config.config.image, 'a:1');
    assert.match(config.problem ?? '', /injector.yaml: line 2: imagePullPolicy/);
    assert.equal(lines.length, 1);

    writeFileSync(file, '');
    await config.reread();
    assert.equal(config.config.image, 'a:1');

    writeFileSync(file, 'image: b:1\n');
    await config.reread();
    assert.equal(config.config.image, 'b:1');
    assert.equal(config.problem, undefined);
  });

  it('stays in force while the file is away, and is looked at again when it is back as it was', async () => {
    writeFileSync(file, 'image: a:1\n');
    const config = new InjectorConfigFile({ file, clock: new FakeClock(), log: silentLogger });
    rmSync(file);
    await config.reread();
    assert.equal(config.config.image, 'a:1');
    assert.match(config.problem ?? '', /cannot be read/);
    writeFileSync(file, 'image: a:1\n');
    await config.reread();
    assert.equal(config.problem, undefined);
  });

  it('is not looked at any more once it is closed', () => {
    writeFileSync(file, 'image: a:1\n');
    const clock = new FakeClock();
    const config = new InjectorConfigFile({ file, clock, log: silentLogger });
    config.follow();
    assert.equal(clock.pendingTimers, 1);
    config.close();
    assert.equal(clock.pendingTimers, 0);
  });

  it('must be there and good at the start', () => {
    const open = (): unknown => new InjectorConfigFile({ file, clock: new FakeClock(), log: silentLogger });
    writeFileSync(file, 'nope: 1\n');
    assert.throws(open, /injector.yaml: line 1: nope: is not known\n.*injector.yaml: image: is missing/);
    rmSync(file);
    assert.throws(open, /injector.yaml cannot be read/);
  });
});
