import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HpackEncoder } from './hpack-encoder.js';
import { PeerSettings, writeSettings } from './settings.js';
import { SettingId } from './frame.js';

describe('the SETTINGS of a peer', () => {
  function read(settings: PeerSettings, ...pairs: (readonly [number, number])[]): number {
    const payload = writeSettings(pairs);
    assert.equal(settings.read(payload, 0, payload.length), undefined);
    return settings.maxConcurrentStreams;
  }

  it('say how many streams it takes, until others say something else', () => {
    for (const streams of [1, 100, 1000]) {
      const settings = new PeerSettings(new HpackEncoder(4096));
      assert.equal(read(settings, [SettingId.MaxConcurrentStreams, streams]), streams);
      assert.equal(read(settings, [SettingId.InitialWindowSize, 70_000]), streams);
      assert.equal(read(settings, [SettingId.MaxConcurrentStreams, 7]), 7);
    }
  });

  it('set no bound of streams where the first ones say nothing of it', () => {
    const settings = new PeerSettings(new HpackEncoder(4096));
    assert.equal(settings.maxConcurrentStreams, 100);
    assert.equal(read(settings), Infinity);
  });
});
