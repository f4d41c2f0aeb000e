import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { table, Terminal, wrapped } from './terminal.js';

describe('Terminal', () => {
  it('paints on a terminal alone, and not when NO_COLOR is set', () => {
    const isPainted = (isTTY: boolean, noColor: boolean): boolean =>
      written(isTTY, noColor, (terminal) => terminal.heading('x')).includes('\u001b[1m');
    assert.ok(isPainted(true, false));
    assert.ok(!isPainted(false, false));
    assert.ok(!isPainted(true, true));
  });

  it('draws counts as bars that fit 80 columns', () => {
    const text = written(false, false, (terminal) =>
      terminal.bars('of 300 pages', { v1: 270, v2: 30, v3: 0 }),
    );
    assert.match(text, /v1 {2}270 {2}█{36} 90 %/);
    assert.match(text, /v2 {3}30 {2}█{4} 10 %/);
    assert.match(text, /v3 {4}0 {3}0 %/);
    assert.ok(text.split('\n').every((line) => line.length <= 80));
  });

  it('begins a result with its outcome, and indents what follows', () => {
    const text = written(false, false, (terminal) =>
      terminal.result(false, 'A step', ['a figure '.repeat(20).trim()], ['too few']),
    );
    const lines = text.trimEnd().split('\n');
    assert.match(lines[0] ?? '', /^FAILED A step: a figure/);
    assert.ok(lines.length > 2 && lines.slice(1).every((line) => line.startsWith('         ')));
    assert.equal(lines.at(-1)?.trim(), 'too few');
  });
});

describe('wrapped', () => {
  it('breaks between words only', () => {
    assert.deepEqual(wrapped('aa bb cc', 5), ['aa bb', 'cc']);
    assert.deepEqual(wrapped('aaaaaaaa b', 5), ['aaaaaaaa', 'b']);
  });
});

describe('table', () => {
  it('aligns columns without spaces at the ends of lines', () => {
    assert.deepEqual(
      table([
        ['A', 'B'],
        ['long', 'x'],
      ]),
      ['A     B', 'long  x'],
    );
  });
});

function written(isTTY: boolean, noColor: boolean, write: (terminal: Terminal) => void): string {
  let text = '';
  const out = { isTTY, write: (part: string) => (text += part) };
  write(new Terminal({ out, err: out, noColor }));
  return text;
}
