import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from './clock.js';
import { createLogger, isLogLevel, silentLogger, type Logger, type LoggerOptions } from './log.js';

describe('Logger', () => {
  it('writes one JSON object with time, level, component, message and fields', () => {
    const { log, records } = setup();
    log.info('listener added', { name: 'inbound', port: 15006 });
    assert.deepEqual(records(), [
      {
        time: '2023-11-14T22:13:20.000Z',
        level: 'info',
        component: 'test',
        message: 'listener added',
        name: 'inbound',
        port: 15006,
      },
    ]);
  });

  it('makes the fields only when the level is on', () => {
    const { log, records } = setup({ level: 'warn' });
    log.info('never', () => assert.fail('the fields were made'));
    log.warn('once', () => ({ made: true }));
    assert.equal(records().length, 1);
  });

  it('writes exactly the levels from the threshold upwards', () => {
    const levels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
    for (const threshold of [...levels, 'off'] as const) {
      const { log, records } = setup({ level: threshold });
      for (const level of levels) log[level]('a phrase');
      const expected = threshold === 'off' ? [] : levels.slice(levels.indexOf(threshold));
      assert.deepEqual(
        records().map((record) => record['level']),
        expected,
      );
      for (const level of levels) assert.equal(log.isEnabled(level), expected.includes(level));
    }
  });

  it('changes the level of a whole family at once', () => {
    const { log, records } = setup();
    const child = log.child('test.child', { stream: 7 });
    log.level = 'debug';
    child.debug('now heard', { more: 1 });
    assert.equal(child.level, 'debug');
    const [record] = records();
    assert.equal(record?.['component'], 'test.child');
    assert.equal(record?.['stream'], 7);
    assert.equal(record?.['more'], 1);
  });

  it('cannot be made to forge a line, an escape sequence or a head', () => {
    const { log, records, lines } = setup();
    log.info('request refused', {
      path: '/\r\n{"level":"error","message":"forged"}',
      csi: '\u009b31m\u001b[31m\u2028\u202e',
      level: 'error',
      time: 'never',
      ['__proto__']: 'x',
    });
    assert.equal(lines.length, 1);
    assert.equal((lines[0] as string).indexOf('\n'), (lines[0] as string).length - 1);
    // eslint-disable-next-line no-control-regex -- these are what must not appear
    assert.doesNotMatch((lines[0] as string).slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
    const [record] = records();
    assert.equal(record?.['level'], 'info');
    assert.equal(record?.['field_level'], 'error');
    assert.equal(record?.['csi'], '\u009b31m\u001b[31m\u2028\u202e');
  });

  it('keeps every line whole and within the bound', () => {
    const { log, records, lines } = setup({ maxLineLength: 1_000 });
    log.info('long', { body: 'x'.repeat(100_000), small: 1 });
    log.info('hostile', { body: '\u0000'.repeat(100_000) });
    log.info(
      'many',
      Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`name-${i}`, 'y'.repeat(50)])),
    );
    log.info('\u0001'.repeat(5_000));
    assert.equal(lines.length, 4);
    for (const line of lines) assert.ok(line.length <= 1_000, `${line.length} characters`);
    for (const record of records()) assert.equal(record['truncated'], true);
    assert.equal(records()[0]?.['small'], 1);
  });

  it('writes errors with code and causes', () => {
    const { log, records } = setup();
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    log.error('stream ended', { error: new Error('no connection', { cause }) });
    const error = records()[0]?.['error'] as Record<string, unknown>;
    assert.equal(error['message'], 'no connection');
    assert.equal((error['cause'] as Record<string, unknown>)['code'], 'ECONNREFUSED');
  });

  it('survives values that JSON cannot hold', () => {
    const { log, records } = setup();
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    log.info('odd', {
      big: 10n,
      nan: NaN,
      loop,
      missing: undefined,
      bytes: Buffer.from('abc'),
      map: new Map([['a', 1]]),
      set: new Set([1]),
      date: new Date(NaN),
    });
    const [record] = records();
    assert.equal(record?.['big'], '10');
    assert.equal(record?.['nan'], 'NaN');
    assert.equal(record?.['bytes'], '[3 bytes]');
    assert.deepEqual(record?.['map'], { a: 1 });
    assert.deepEqual(record?.['set'], [1]);
    assert.equal(record !== undefined && 'missing' in record, false);
  });

  it('loses the line, and counts it, when the sink or the fields throw', () => {
    const log = createLogger({
      component: 'test',
      sink: {
        write: () => {
          throw new Error('EPIPE');
        },
      },
    });
    log.info('gone');
    log.info('gone too', () => {
      throw new Error('while building');
    });
    assert.equal(log.lostLines, 2);
  });

  it('writes one parseable, bounded line for any fields', () => {
    const { log, lines } = setup({ maxLineLength: 600 });
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.anything()), (message, fields) => {
        lines.length = 0;
        log.info(message, fields);
        assert.equal(log.lostLines, 0);
        assert.equal(lines.length, 1);
        const line = lines[0] as string;
        assert.ok(line.length <= 600 && line.endsWith('\n') && !line.slice(0, -1).includes('\n'));
        assert.equal((JSON.parse(line) as Record<string, unknown>)['level'], 'info');
      }),
      { numRuns: 300 },
    );
  });
});

describe('silentLogger', () => {
  it('makes no fields', () => {
    silentLogger.error('nothing', () => assert.fail('the fields were made'));
  });
});

describe('isLogLevel', () => {
  it('knows the levels and nothing else', () => {
    assert.equal(isLogLevel('warn'), true);
    assert.equal(isLogLevel('WARN'), false);
    assert.equal(isLogLevel('toString'), false);
  });
});

function setup(options: Partial<LoggerOptions> = {}): {
  log: Logger;
  lines: string[];
  records: () => Record<string, unknown>[];
} {
  const lines: string[] = [];
  const log = createLogger({
    component: 'test',
    clock: new FakeClock(),
    sink: { write: (line) => lines.push(line) },
    ...options,
  });
  return { log, lines, records: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}
