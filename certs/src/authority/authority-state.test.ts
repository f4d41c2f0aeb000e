import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import {
  loadAuthorityState,
  saveAuthorityState,
  saveFirstAuthorityState,
  type AuthorityState,
} from './authority-state.js';

const base = fs.mkdtempSync(path.join(os.tmpdir(), 'heddle-state-'));
after(() => fs.rmSync(base, { recursive: true, force: true }));

describe('the state of an authority', () => {
  it('comes back as it was stored, in every phase', () => {
    const folder = fs.mkdtempSync(path.join(base, 'a-'));
    assert.equal(loadAuthorityState(folder), undefined);
    const states: readonly AuthorityState[] = [
      steady('one'),
      { ...steady('one'), phase: 'distributing', roots: [root('one'), root('two')] },
      { ...steady('one'), phase: 'switched', roots: [root('one'), root('two')], oldLeavesUntilMs: 5 },
    ];
    for (const state of states) {
      saveAuthorityState(folder, state);
      assert.deepEqual(loadAuthorityState(folder), state);
    }
  });

  it('is first stored by the fastest alone', () => {
    const folder = fs.mkdtempSync(path.join(base, 'b-'));
    assert.equal(saveFirstAuthorityState(folder, steady('fast')), true);
    assert.equal(saveFirstAuthorityState(folder, steady('slow')), false);
    assert.deepEqual(loadAuthorityState(folder), steady('fast'));
  });
});

function steady(name: string): AuthorityState {
  return { trustDomain: 'td', phase: 'steady', roots: [root(name)] };
}

function root(name: string) {
  return { certificatePem: `certificate ${name}`, privateKeyPem: `key ${name}` };
}
