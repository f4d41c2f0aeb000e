import {
  FilterChain,
  type FilterChainOwner,
  FilterStatus,
  type NamedFilterFactory,
  type StreamFilter,
  type TerminalFilter,
} from '@heddle/data-plane';
import { HeaderMap, type ResponseHead } from '@heddle/engine';
import type { MicroCase } from '../micro-case.js';
import { exampleHead } from './request-head.js';

const BUFFER_LIMIT_BYTES = 1024 * 1024;
const BODY = Buffer.alloc(1_024, 'x');

/** A request through a chain of its own, and the response with its body back, without a codec or a socket. */
export const filterChain: readonly MicroCase[] = [0, 1, 8].map((filters) => ({
  name: `filter chain: request and response, ${filters} filter${filters === 1 ? '' : 's'}`,
  create() {
    const factories = Array.from({ length: filters }, (_, i): NamedFilterFactory => {
      return { name: `filter-${i}`, create: () => new CountingFilter() };
    });
    const request = exampleHead('service-7.example', '/api/resource-7/items/1k');
    const response: ResponseHead = { status: 200, headers: new HeaderMap(), upgrade: '' };
    const owner = new Owner();
    return (count) => {
      for (let i = 0; i < count; i++) {
        const chain = new FilterChain(owner, BUFFER_LIMIT_BYTES);
        chain.begin(factories);
        chain.terminal = new Answer(chain, response);
        chain.decodeHeaders(request, true);
        chain.destroy();
      }
      return owner.bytes + seen;
    };
  },
}));

/** What all filters have seen. */
let seen = 0;

class CountingFilter implements StreamFilter {
  decodeHeaders(): FilterStatus {
    seen++;
    return FilterStatus.Continue;
  }

  encodeHeaders(): FilterStatus {
    seen++;
    return FilterStatus.Continue;
  }

  encodeData(chunk: Buffer): FilterStatus {
    seen += chunk.length;
    return FilterStatus.Continue;
  }

  onDestroy(): void {
    seen++;
  }
}

/** In the router's place: answers at once. */
class Answer implements TerminalFilter {
  readonly #chain: FilterChain;
  readonly #response: ResponseHead;

  constructor(chain: FilterChain, response: ResponseHead) {
    this.#chain = chain;
    this.#response = response;
  }

  decodeHeaders(): void {
    this.#chain.encodeHeaders(this.#response, false);
    this.#chain.encodeData(BODY, true);
  }

  decodeData(): void {}
  decodeTrailers(): void {}
  onDownstreamWatermark(): void {}
  onDestroy(): void {}
}

class Owner implements FilterChainOwner {
  bytes = 0;

  get info(): never {
    throw new Error('no filter of this benchmark asks');
  }

  sendHeaders(): void {
    this.bytes++;
  }

  sendData(chunk: Buffer): void {
    this.bytes += chunk.length;
  }

  sendTrailers(): void {}
  pauseRequest(): void {}
  sendLocalReply(): void {}

  findRouteAgain(): boolean {
    return true;
  }

  routeConfigsOf(): readonly unknown[] {
    return [];
  }

  routeConfigOf(): unknown {
    return undefined;
  }
}
