import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  FILTER_DISABLED,
  HeaderMap,
  LOCAL_REPLY,
  type LocalReply,
  type RequestHead,
  type ResponseHead,
} from '@heddle/engine';
import { FilterStatus, type FilterHandle, type StreamFilter, type TerminalFilter } from './filter.js';
import { FilterChain, type FilterChainOwner, type NamedFilterFactory } from './filter-chain.js';
import type { StreamState } from './stream-state.js';

const { Continue, StopIteration, StopAllIterationAndBuffer, StopAllIterationAndWatermark, Replaced } =
  FilterStatus;

describe('FilterChain', () => {
  it('runs a filter that is off only where an override of the route configures it', () => {
    const off = (name: string): Parameters<typeof setup>[0][number] => ({ ...recorder(name), isOff: true });
    const { chain, events } = setup([off('stays-off'), off('switched-on')]);
    chain.decodeHeaders(request(), true);
    chain.encodeHeaders(response(), true);
    assert.deepEqual(events, [
      'switched-on headers',
      'router headers',
      'switched-on encode headers',
      'client headers',
    ]);
  });

  it('passes a request first to last and a response last to first', () => {
    const { chain, events } = setup([recorder('a'), recorder('b')]);
    chain.decodeHeaders(request(), false);
    chain.decodeData(Buffer.from('1'), true);
    chain.encodeHeaders(response(), false);
    chain.encodeData(Buffer.from('2'), true);
    assert.deepEqual(events, [
      'a headers',
      'b headers',
      'router headers',
      'a data 1 end',
      'b data 1 end',
      'router data 1 end',
      'b encode headers',
      'a encode headers',
      'client headers',
      'b encode data 2 end',
      'a encode data 2 end',
      'client data 2 end',
    ]);
  });

  it('keeps what a filter stops, and lets it go in order when the filter continues', () => {
    const stopper = recorder('a', { decodeHeaders: StopAllIterationAndBuffer });
    const { chain, events, handles } = setup([stopper, recorder('b')]);
    chain.decodeHeaders(request(), false);
    chain.decodeData(Buffer.from('1'), false);
    chain.decodeTrailers(new HeaderMap());
    assert.deepEqual(events, ['a headers']);
    handles[0]?.continueDecoding();
    assert.deepEqual(events.slice(1), [
      'b headers',
      'router headers',
      'a data 1',
      'b data 1',
      'router data 1',
      'a trailers',
      'b trailers',
      'router trailers',
    ]);
  });

  it('keeps small pieces together', () => {
    const chunks: Buffer[] = [];
    const { chain, handles } = setup([recorder('a', { decodeHeaders: StopAllIterationAndBuffer })], {
      decodeData: (chunk) => chunks.push(chunk),
    });
    chain.decodeHeaders(request(), false);
    for (let i = 0; i < 90; i++) chain.decodeData(Buffer.from([i]), i === 89);
    handles[0]?.continueDecoding();
    assert.deepEqual(
      chunks.map(({ length }) => length),
      [90],
    );
  });

  it('shows data to a filter that holds the head, and lets the head go first when the data continue', () => {
    const { chain, events } = setup([recorder('a', { decodeHeaders: StopIteration })]);
    chain.decodeHeaders(request(), false);
    chain.decodeData(Buffer.from('1'), true);
    assert.deepEqual(events, ['a headers', 'a data 1 end', 'router headers', 'router data 1 end']);
  });

  it('says that the request ends with its head when nothing else was held', () => {
    const ends: boolean[] = [];
    const { chain, handles } = setup([recorder('a', { decodeHeaders: StopIteration })], {
      decodeHeaders: (_head, endStream) => ends.push(endStream),
    });
    chain.decodeHeaders(request(), true);
    handles[0]?.continueDecoding();
    assert.deepEqual(ends, [true]);
  });

  it('answers 413 when a filter makes it hold more than the limit', () => {
    const { chain, replies } = setup([recorder('a', { decodeHeaders: StopAllIterationAndBuffer })]);
    chain.decodeHeaders(request(), false);
    chain.decodeData(Buffer.alloc(100), false);
    assert.deepEqual(replies, []);
    chain.decodeData(Buffer.alloc(1), false);
    assert.deepEqual(replies, [LOCAL_REPLY.requestTooLarge]);
  });

  it('answers 500 when a filter makes it hold more of a response than the limit', () => {
    const { chain, replies } = setup([recorder('a', { encodeHeaders: StopAllIterationAndBuffer })]);
    chain.decodeHeaders(request(), true);
    chain.encodeHeaders(response(), false);
    chain.encodeData(Buffer.alloc(101), false);
    assert.deepEqual(replies, [LOCAL_REPLY.responseTooLarge]);
  });

  it('pauses the client instead when the filter asked for that, and resumes it with the filter', () => {
    const { chain, pauses, replies, handles } = setup([
      recorder('a', { decodeHeaders: StopAllIterationAndWatermark }),
    ]);
    chain.decodeHeaders(request(), false);
    chain.decodeData(Buffer.alloc(101), false);
    chain.decodeData(Buffer.alloc(101), false);
    assert.deepEqual(pauses, [true]);
    handles[0]?.continueDecoding();
    assert.deepEqual(pauses, [true, false]);
    assert.deepEqual(replies, []);
  });

  it('shows nothing more of the request to filters after a local reply', () => {
    const { chain, events, handles } = setup([
      recorder('a', { decodeHeaders: StopIteration }),
      recorder('b'),
    ]);
    chain.decodeHeaders(request(), false);
    chain.stopDecoding();
    chain.decodeData(Buffer.from('1'), true);
    handles[0]?.continueDecoding();
    assert.deepEqual(events, ['a headers', 'router destroyed']);
  });

  it('passes on what a filter hands to it in place of data and trailers, and nothing of those', () => {
    const { chain, events } = setup([recorder('a'), recorder('shout'), recorder('b')]);
    chain.decodeHeaders(request(), false);
    chain.decodeData(Buffer.from('one'), false);
    chain.decodeTrailers(new HeaderMap());
    chain.encodeHeaders(response(), false);
    chain.encodeData(Buffer.from('two'), false);
    chain.encodeTrailers(new HeaderMap());
    assert.deepEqual(
      events.filter((event) => !event.includes('headers')),
      [
        'a data one',
        'b data ONE',
        'router data ONE',
        'a trailers',
        'b data TRAILERS end',
        'router data TRAILERS end',
        'b encode data two',
        'a encode data TWO',
        'client data TWO',
        'a encode data TRAILERS end',
        'client data TRAILERS end',
      ],
    );
  });

  it('lets a head that is held end the message where a filter replaces the rest by nothing', () => {
    const ends: boolean[] = [];
    const { chain, events, handles } = setup([recorder('a', { decodeHeaders: StopIteration })], {
      decodeHeaders: (_head, endStream) => ends.push(endStream),
    });
    chain.decodeHeaders(request(), false);
    handles[0]?.passDecoded(Buffer.alloc(0), true);
    assert.deepEqual(ends, [true]);
    assert.deepEqual(events, ['a headers']);
  });

  it('lets a head that is held go before what replaces the rest', () => {
    const { chain, events, handles } = setup([recorder('a', { encodeHeaders: StopIteration })]);
    chain.encodeHeaders(response(), false);
    handles[0]?.passEncoded(Buffer.from('1'), false);
    handles[0]?.passEncoded(Buffer.from('2'), true);
    assert.deepEqual(events, ['a encode headers', 'client headers', 'client data 1', 'client data 2 end']);
  });

  it('leaves out a filter that the route switches off', () => {
    const { chain, events } = setup([recorder('a'), recorder('off')]);
    chain.decodeHeaders(request(), true);
    assert.deepEqual(events, ['a headers', 'router headers']);
  });

  it('tells every filter once that the stream is over', () => {
    const { chain, events } = setup([recorder('a'), recorder('b')]);
    chain.destroy();
    assert.deepEqual(events, ['router destroyed', 'a destroyed', 'b destroyed']);
  });
});

interface Statuses {
  readonly decodeHeaders?: FilterStatus;
  readonly encodeHeaders?: FilterStatus;
}

interface Recorder {
  readonly isOff?: boolean;
  readonly name: string;
  readonly statuses: Statuses;
}

function recorder(name: string, statuses: Statuses = {}): Recorder {
  return { name, statuses };
}

/** A filter that puts other data in the place of what it sees, and of trailers too. */
function shouting(handle: FilterHandle): StreamFilter {
  const upper = (chunk: Buffer): Buffer => Buffer.from(chunk.toString().toUpperCase());
  return {
    decodeData: (chunk, last) => (handle.passDecoded(upper(chunk), last), Replaced),
    decodeTrailers: () => (handle.passDecoded(Buffer.from('TRAILERS'), true), Replaced),
    encodeData: (chunk, last) => (handle.passEncoded(upper(chunk), last), Replaced),
    encodeTrailers: () => (handle.passEncoded(Buffer.from('TRAILERS'), true), Replaced),
    onDestroy: () => undefined,
  };
}

function setup(recorders: readonly Recorder[], terminal: Partial<TerminalFilter> = {}) {
  const events: string[] = [];
  const replies: LocalReply[] = [];
  const pauses: boolean[] = [];
  const handles: FilterHandle[] = [];
  const end = (endStream: boolean): string => (endStream ? ' end' : '');
  const factories: NamedFilterFactory[] = recorders.map(({ name, statuses, isOff }) => ({
    name,
    ...(isOff === undefined ? {} : { isOff }),
    create: (handle): StreamFilter => {
      handles.push(handle);
      if (name === 'shout') return shouting(handle);
      return {
        decodeHeaders: () => (events.push(`${name} headers`), statuses.decodeHeaders ?? Continue),
        decodeData: (chunk, last) => (events.push(`${name} data ${chunk.toString()}${end(last)}`), Continue),
        decodeTrailers: () => (events.push(`${name} trailers`), Continue),
        encodeHeaders: () => (events.push(`${name} encode headers`), statuses.encodeHeaders ?? Continue),
        encodeData: (chunk, last) => (
          events.push(`${name} encode data ${chunk.toString()}${end(last)}`),
          Continue
        ),
        onDestroy: () => void events.push(`${name} destroyed`),
      };
    },
  }));
  const owner: FilterChainOwner = {
    info: {} as StreamState,
    sendHeaders: () => void events.push('client headers'),
    sendData: (chunk, last) => void events.push(`client data ${chunk.toString()}${end(last)}`),
    sendTrailers: () => void events.push('client trailers'),
    pauseRequest: (pause) => void pauses.push(pause),
    sendLocalReply: (reply) => void replies.push(reply),
    routeConfigsOf: () => [],
    findRouteAgain: () => true,
    routeConfigOf: (name) => (name === 'off' ? FILTER_DISABLED : name === 'switched-on' ? {} : undefined),
  };
  const chain = new FilterChain(owner, 100);
  chain.begin(factories);
  chain.terminal = {
    decodeHeaders: () => void events.push('router headers'),
    decodeData: (chunk, last) => void events.push(`router data ${chunk.toString()}${end(last)}`),
    decodeTrailers: () => void events.push('router trailers'),
    onDownstreamWatermark: () => undefined,
    onDestroy: () => void events.push('router destroyed'),
    ...terminal,
  };
  return { chain, events, replies, pauses, handles };
}

function request(): RequestHead {
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'a',
    path: '/',
    headers: new HeaderMap(),
    version: 'HTTP/1.1',
    upgrade: '',
  };
}

function response(): ResponseHead {
  return { status: 200, headers: new HeaderMap(), upgrade: '' };
}
