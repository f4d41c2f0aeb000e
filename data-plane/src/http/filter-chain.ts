import {
  FILTER_DISABLED,
  LOCAL_REPLY,
  type HeaderMap,
  type LocalReply,
  type RequestHead,
  type ResponseHead,
} from '@heddle/engine';
import {
  FilterStatus,
  type FilterHandle,
  type StreamFilter,
  type StreamFilterFactory,
  type TerminalFilter,
} from './filter.js';
import { Passage } from './passage.js';
import type { StreamState } from './stream-state.js';

/** What the chain needs of the stream that it serves. */
export interface FilterChainOwner {
  readonly info: StreamState;
  /** The response has passed every filter. */
  sendHeaders(head: ResponseHead, endStream: boolean): void;
  sendData(chunk: Buffer, endStream: boolean): void;
  sendTrailers(trailers: HeaderMap): void;
  /** Pauses (true) or resumes reading the request. */
  pauseRequest(pause: boolean): void;
  /** Answers instead of the upstream. */
  sendLocalReply(reply: LocalReply): void;
  routeConfigOf(filterName: string): unknown;
  routeConfigsOf(filterName: string): readonly unknown[];
  /** Looks for the route anew, among the routes as they are now. False: the request was answered instead. */
  findRouteAgain(): boolean;
}

/** One filter factory with the name that per-route overrides use. */
export interface NamedFilterFactory {
  readonly name: string;
  readonly create: StreamFilterFactory;
  /** Off, except where the most specific override of a route configures it. */
  readonly isOff?: boolean;
  /** It may find the route of a request later than the chain begins. */
  readonly findsRoutes?: boolean;
  /** Streams need none where no route of the table says anything of it. */
  readonly isIdle?: boolean;
}

/** Takes the place of a filter that is switched off. */
const PASS_ALL: StreamFilter = Object.freeze({ onDestroy: () => undefined });

/** A filter with its state in both directions; also the handle that the filter holds. */
class FilterSlot implements FilterHandle {
  readonly chain: FilterChain;
  readonly index: number;
  readonly name: string;
  /** Set while the filter is off until a route switches it on. */
  offFactory: NamedFilterFactory | undefined;
  filter: StreamFilter;
  readonly decoding = new Passage();
  readonly encoding = new Passage();

  constructor(chain: FilterChain, index: number, factory: NamedFilterFactory) {
    this.chain = chain;
    this.index = index;
    this.name = factory.name;
    this.offFactory = factory.isOff === true ? factory : undefined;
    this.filter = this.offFactory === undefined ? factory.create(this) : PASS_ALL;
  }

  get info(): StreamState {
    return this.chain.owner.info;
  }

  routeConfig(): unknown {
    return this.chain.owner.routeConfigOf(this.name);
  }

  routeConfigs(): readonly unknown[] {
    return this.chain.owner.routeConfigsOf(this.name);
  }

  findRouteAgain(): boolean {
    if (!this.chain.owner.findRouteAgain()) return false;
    this.chain.switchFilters(this.index + 1);
    return true;
  }

  continueDecoding(): void {
    this.chain.continueDecoding(this);
  }

  continueEncoding(): void {
    this.chain.continueEncoding(this);
  }

  passDecoded(chunk: Buffer, endStream: boolean): void {
    this.chain.passDecoded(this, chunk, endStream);
  }

  passEncoded(chunk: Buffer, endStream: boolean): void {
    this.chain.passEncoded(this, chunk, endStream);
  }

  sendLocalReply(reply: LocalReply): void {
    this.chain.owner.sendLocalReply(reply);
  }
}

const NO_SLOTS: readonly FilterSlot[] = Object.freeze([]);

/**
 * The filters of one stream: requests pass them first to last and end in the terminal filter, responses pass them last to first.
 *
 * Bounds: what a filter makes the chain hold is at most `bufferLimitBytes` a filter and direction.
 * Cost: without filters a call goes straight to the terminal filter; nothing is allocated for a message that nobody stops.
 */
export class FilterChain {
  readonly owner: FilterChainOwner;
  readonly #bufferLimitBytes: number;
  #slots: readonly FilterSlot[] = NO_SLOTS;
  #terminal: TerminalFilter | undefined;
  #request: RequestHead | undefined = undefined;
  #response: ResponseHead | undefined = undefined;
  /** The request goes no further: a local reply was sent, or the stream is over. */
  #decodingDone = false;
  #encodingDone = false;

  constructor(owner: FilterChainOwner, bufferLimitBytes: number) {
    this.owner = owner;
    this.#bufferLimitBytes = bufferLimitBytes;
    this.#terminal = undefined;
  }

  /** Makes the filters. Until then nothing but the terminal filter is there. */
  begin(factories: readonly NamedFilterFactory[]): void {
    if (factories.length > 0) this.#slots = this.#createSlots(factories);
  }

  set terminal(terminal: TerminalFilter) {
    this.#terminal = terminal;
  }

  decodeHeaders(head: RequestHead, endStream: boolean): void {
    this.#request = head;
    this.switchFilters(0);
    this.#decodeHeadersFrom(0, head, endStream);
  }

  /** Switches filters, from this one on, off and on as the route says. */
  switchFilters(from: number): void {
    for (let i = from; i < this.#slots.length; i++) {
      const slot = this.#slots[i] as FilterSlot;
      const override = this.owner.routeConfigOf(slot.name);
      if (override === FILTER_DISABLED) slot.filter = PASS_ALL;
      else if (override !== undefined && slot.offFactory !== undefined) {
        slot.filter = slot.offFactory.create(slot);
      }
    }
  }

  decodeData(chunk: Buffer, endStream: boolean): void {
    this.#decodeDataFrom(0, chunk, endStream);
  }

  decodeTrailers(trailers: HeaderMap): void {
    this.#decodeTrailersFrom(0, trailers);
  }

  /** The response, from the terminal filter or a local reply. */
  encodeHeaders(head: ResponseHead, endStream: boolean): void {
    this.#response = head;
    this.#encodeHeadersFrom(this.#slots.length - 1, head, endStream);
  }

  encodeData(chunk: Buffer, endStream: boolean): void {
    this.#encodeDataFrom(this.#slots.length - 1, chunk, endStream);
  }

  encodeTrailers(trailers: HeaderMap): void {
    this.#encodeTrailersFrom(this.#slots.length - 1, trailers);
  }

  onDownstreamWatermark(above: boolean): void {
    if (!this.#decodingDone) this.#terminal?.onDownstreamWatermark(above);
  }

  /** Whether the response has entered the filters. */
  get responseBegun(): boolean {
    return this.#response !== undefined;
  }

  /** No filter sees more of the request and the terminal filter gives up the upstream; a local reply may still pass. */
  stopDecoding(): void {
    if (this.#decodingDone) return;
    this.#decodingDone = true;
    for (const slot of this.#slots) slot.decoding.release();
    this.#terminal?.onDestroy();
  }

  /** Lets go of a response that filters hold, so that a local reply may take its place without passing them. */
  dropResponse(): void {
    this.#encodingDone = true;
    for (const slot of this.#slots) slot.encoding.release();
  }

  /** The stream is over. */
  destroy(): void {
    this.stopDecoding();
    this.#encodingDone = true;
    for (const slot of this.#slots) slot.filter.onDestroy();
  }

  continueDecoding(slot: FilterSlot): void {
    const passage = slot.decoding;
    if (this.#decodingDone || passage.stopped === FilterStatus.Continue) return;
    const { headHeld, chunks, trailers, endStream, unseen, paused } = passage;
    const from = unseen ? slot.index : slot.index + 1;
    passage.release();
    if (headHeld) {
      const last = endStream && chunks === undefined && trailers === undefined;
      this.#decodeHeadersFrom(slot.index + 1, this.#request as RequestHead, last);
    }
    if (chunks !== undefined) {
      for (let i = 0; i < chunks.length; i++) {
        const last = endStream && trailers === undefined && i === chunks.length - 1;
        this.#decodeDataFrom(from, chunks[i] as Buffer, last);
      }
    }
    if (trailers !== undefined) this.#decodeTrailersFrom(from, trailers);
    if (paused) this.owner.pauseRequest(false);
  }

  continueEncoding(slot: FilterSlot): void {
    const passage = slot.encoding;
    if (this.#encodingDone || passage.stopped === FilterStatus.Continue) return;
    const { headHeld, chunks, trailers, endStream, unseen, paused } = passage;
    const from = unseen ? slot.index : slot.index - 1;
    passage.release();
    if (headHeld) {
      const last = endStream && chunks === undefined && trailers === undefined;
      this.#encodeHeadersFrom(slot.index - 1, this.#response as ResponseHead, last);
    }
    if (chunks !== undefined) {
      for (let i = 0; i < chunks.length; i++) {
        const last = endStream && trailers === undefined && i === chunks.length - 1;
        this.#encodeDataFrom(from, chunks[i] as Buffer, last);
      }
    }
    if (trailers !== undefined) this.#encodeTrailersFrom(from, trailers);
    if (paused) this.#terminal?.onDownstreamWatermark(false);
  }

  passDecoded(slot: FilterSlot, chunk: Buffer, endStream: boolean): void {
    if (this.#decodingDone) return;
    const passage = slot.decoding;
    if (passage.stopped === FilterStatus.Continue) {
      this.#decodeDataFrom(slot.index + 1, chunk, endStream);
      return;
    }
    if (chunk.length > 0) passage.hold(chunk, endStream);
    else passage.endStream = endStream;
    this.continueDecoding(slot);
  }

  passEncoded(slot: FilterSlot, chunk: Buffer, endStream: boolean): void {
    if (this.#encodingDone) return;
    const passage = slot.encoding;
    if (passage.stopped === FilterStatus.Continue) {
      this.#encodeDataFrom(slot.index - 1, chunk, endStream);
      return;
    }
    if (chunk.length > 0) passage.hold(chunk, endStream);
    else passage.endStream = endStream;
    this.continueEncoding(slot);
  }

  #createSlots(factories: readonly NamedFilterFactory[]): FilterSlot[] {
    const slots: FilterSlot[] = [];
    for (let i = 0; i < factories.length; i++) {
      slots.push(new FilterSlot(this, i, factories[i] as NamedFilterFactory));
    }
    return slots;
  }

  #decodeHeadersFrom(index: number, head: RequestHead, endStream: boolean): void {
    for (let i = index; i < this.#slots.length; i++) {
      if (this.#decodingDone) return;
      const slot = this.#slots[i] as FilterSlot;
      if (slot.filter.decodeHeaders === undefined) continue;
      const status = slot.filter.decodeHeaders(head, endStream);
      if (status !== FilterStatus.Continue) {
        slot.decoding.holdHead(status, endStream);
        return;
      }
    }
    if (!this.#decodingDone) this.#terminal?.decodeHeaders(head, endStream);
  }

  #decodeDataFrom(index: number, chunk: Buffer, endStream: boolean): void {
    for (let i = index; i < this.#slots.length; i++) {
      if (this.#decodingDone) return;
      const slot = this.#slots[i] as FilterSlot;
      const passage = slot.decoding;
      if (passage.stopped >= FilterStatus.StopAllIterationAndBuffer || slot.filter.decodeData === undefined) {
        if (passage.stopped === FilterStatus.Continue) continue;
        this.#holdRequestData(passage, chunk, endStream);
        return;
      }
      const status = slot.filter.decodeData(chunk, endStream);
      if (this.#decodingDone) return;
      if (status !== FilterStatus.Continue) {
        if (status === FilterStatus.Replaced) return;
        passage.stopped = status;
        this.#holdRequestData(passage, chunk, endStream);
        return;
      }
      if (passage.stopped !== FilterStatus.Continue) {
        // Whatever was held goes first, this chunk last.
        passage.hold(chunk, endStream);
        this.continueDecoding(slot);
        return;
      }
    }
    if (!this.#decodingDone) this.#terminal?.decodeData(chunk, endStream);
  }

  #decodeTrailersFrom(index: number, trailers: HeaderMap): void {
    for (let i = index; i < this.#slots.length; i++) {
      if (this.#decodingDone) return;
      const slot = this.#slots[i] as FilterSlot;
      const passage = slot.decoding;
      if (
        passage.stopped >= FilterStatus.StopAllIterationAndBuffer ||
        slot.filter.decodeTrailers === undefined
      ) {
        if (passage.stopped === FilterStatus.Continue) continue;
        passage.trailers = trailers;
        passage.endStream = true;
        return;
      }
      const status = slot.filter.decodeTrailers(trailers);
      if (this.#decodingDone || status === FilterStatus.Replaced) return;
      if (status !== FilterStatus.Continue || passage.stopped !== FilterStatus.Continue) {
        passage.trailers = trailers;
        passage.endStream = true;
        if (status === FilterStatus.Continue) this.continueDecoding(slot);
        else passage.stopped = status;
        return;
      }
    }
    if (!this.#decodingDone) this.#terminal?.decodeTrailers(trailers);
  }

  #encodeHeadersFrom(index: number, head: ResponseHead, endStream: boolean): void {
    for (let i = index; i >= 0; i--) {
      if (this.#encodingDone) return;
      const slot = this.#slots[i] as FilterSlot;
      if (slot.filter.encodeHeaders === undefined) continue;
      const status = slot.filter.encodeHeaders(head, endStream);
      if (status !== FilterStatus.Continue) {
        slot.encoding.holdHead(status, endStream);
        return;
      }
    }
    if (!this.#encodingDone) this.owner.sendHeaders(head, endStream);
  }

  #encodeDataFrom(index: number, chunk: Buffer, endStream: boolean): void {
    for (let i = index; i >= 0; i--) {
      if (this.#encodingDone) return;
      const slot = this.#slots[i] as FilterSlot;
      const passage = slot.encoding;
      if (passage.stopped >= FilterStatus.StopAllIterationAndBuffer || slot.filter.encodeData === undefined) {
        if (passage.stopped === FilterStatus.Continue) continue;
        this.#holdResponseData(passage, chunk, endStream);
        return;
      }
      const status = slot.filter.encodeData(chunk, endStream);
      if (this.#encodingDone) return;
      if (status !== FilterStatus.Continue) {
        if (status === FilterStatus.Replaced) return;
        passage.stopped = status;
        this.#holdResponseData(passage, chunk, endStream);
        return;
      }
      if (passage.stopped !== FilterStatus.Continue) {
        passage.hold(chunk, endStream);
        this.continueEncoding(slot);
        return;
      }
    }
    if (!this.#encodingDone) this.owner.sendData(chunk, endStream);
  }

  #encodeTrailersFrom(index: number, trailers: HeaderMap): void {
    for (let i = index; i >= 0; i--) {
      if (this.#encodingDone) return;
      const slot = this.#slots[i] as FilterSlot;
      const passage = slot.encoding;
      if (
        passage.stopped >= FilterStatus.StopAllIterationAndBuffer ||
        slot.filter.encodeTrailers === undefined
      ) {
        if (passage.stopped === FilterStatus.Continue) continue;
        passage.trailers = trailers;
        passage.endStream = true;
        return;
      }
      const status = slot.filter.encodeTrailers(trailers);
      if (this.#encodingDone || status === FilterStatus.Replaced) return;
      if (status !== FilterStatus.Continue || passage.stopped !== FilterStatus.Continue) {
        passage.trailers = trailers;
        passage.endStream = true;
        if (status === FilterStatus.Continue) this.continueEncoding(slot);
        else passage.stopped = status;
        return;
      }
    }
    if (!this.#encodingDone) this.owner.sendTrailers(trailers);
  }

  #holdRequestData(passage: Passage, chunk: Buffer, endStream: boolean): void {
    passage.hold(chunk, endStream);
    if (passage.bytes <= this.#bufferLimitBytes || passage.paused) return;
    if (passage.stopped !== FilterStatus.StopAllIterationAndWatermark) {
      this.owner.sendLocalReply(LOCAL_REPLY.requestTooLarge);
    } else if (!endStream) {
      passage.paused = true;
      this.owner.pauseRequest(true);
    }
  }

  #holdResponseData(passage: Passage, chunk: Buffer, endStream: boolean): void {
    passage.hold(chunk, endStream);
    if (passage.bytes <= this.#bufferLimitBytes || passage.paused) return;
    if (passage.stopped !== FilterStatus.StopAllIterationAndWatermark) {
      this.owner.sendLocalReply(LOCAL_REPLY.responseTooLarge);
    } else if (!endStream) {
      passage.paused = true;
      this.#terminal?.onDownstreamWatermark(true);
    }
  }
}
