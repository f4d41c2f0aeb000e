import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { typeUrls } from '@heddle/xds-protos';
import type { AdsStreamCallbacks, DeltaDiscoveryRequest, DiscoveryRequest } from './ads-transport.js';
import { SeparateStreams } from './separate-streams.js';

describe('streams for each type', () => {
  it('open with the first request of their type, and each hears who asks', () => {
    const { streams, opened } = under();
    streams.send({ typeUrl: typeUrls.cluster, node: { id: 'me' } });
    streams.send({ typeUrl: typeUrls.listener });
    streams.send({ typeUrl: typeUrls.cluster, responseNonce: '1' });
    assert.deepEqual(
      opened.map(({ typeUrl, sent }) => [typeUrl, sent.map((one) => one.node?.id)]),
      [
        [typeUrls.cluster, ['me', undefined]],
        [typeUrls.listener, ['me']],
      ],
    );
  });

  it('end together, and only once', () => {
    const { streams, opened, ends } = under();
    streams.send({ typeUrl: typeUrls.cluster });
    streams.send({ typeUrl: typeUrls.listener });
    opened[1]?.callbacks.onEnd('broke');
    opened[0]?.callbacks.onEnd('broke too');
    assert.deepEqual(ends, ['the stream of Listeners broke']);
    assert.deepEqual(
      opened.map((one) => one.closed),
      [true, true],
    );
    streams.send({ typeUrl: typeUrls.cluster });
    assert.equal(opened.length, 2);
  });

  it('pause together, those that open later too', () => {
    const { streams, opened } = under();
    streams.send({ typeUrl: typeUrls.cluster });
    streams.pause(true);
    streams.send({ typeUrl: typeUrls.listener });
    assert.deepEqual(
      opened.map((one) => one.paused),
      [true, true],
    );
    streams.pause(false);
    assert.deepEqual(
      opened.map((one) => one.paused),
      [false, false],
    );
  });
});

interface Opened {
  readonly typeUrl: string;
  readonly callbacks: AdsStreamCallbacks;
  readonly sent: (DiscoveryRequest | DeltaDiscoveryRequest)[];
  paused: boolean;
  closed: boolean;
}

function under() {
  const opened: Opened[] = [];
  const ends: string[] = [];
  const streams = new SeparateStreams(
    (typeUrl, callbacks) => {
      const one: Opened = { typeUrl, callbacks, sent: [], paused: false, closed: false };
      opened.push(one);
      return {
        send: (request) => void one.sent.push(request),
        pause: (paused) => void (one.paused = paused),
        close: () => void (one.closed = true),
      };
    },
    { onResponse: () => undefined, onEnd: (reason) => void ends.push(reason) },
  );
  return { streams, opened, ends };
}
