import type { Clock } from '@heddle/common';
import type { Counter, StatsStore } from '../stats/stats-store.js';
import { AnswerCache } from './answer-cache.js';
import { formatAnswer, formatRefusal } from './answer.js';
import { answerOfMesh } from './mesh-answer.js';
import { DNS_CLASS_IN, DNS_RCODE, parseQuery, type DnsQuery } from './message.js';
import type { NameTable } from './name-table.js';
import type { AskServer, UpstreamServer } from './upstream-servers.js';

export interface DnsResolutionOptions {
  readonly clock: Clock;
  readonly stats: StatsStore;
  /** Asked in turn until one answers; empty: nothing but the mesh is known. */
  readonly servers: readonly UpstreamServer[];
  readonly ask: AskServer;
  /** Whether names of the mesh's zone are known to nobody else, so that one that is not in the table is not there. Default false. */
  readonly isAuthority?: boolean;
  /** Questions that wait for a name server at a time. Default 1,024. */
  readonly mostPending?: number;
  /** Answers that are kept. Default 2,048. */
  readonly mostCached?: number;
}

/** Answers questions: names of the mesh from its table, everything else by asking name servers. */
export class DnsResolution {
  readonly #options: DnsResolutionOptions;
  readonly #cache: AnswerCache;
  readonly #mostPending: number;
  readonly #requests: Counter;
  readonly #fromMesh: Counter;
  readonly #fromCache: Counter;
  readonly #forwarded: Counter;
  readonly #failures: Counter;
  readonly #overflow: Counter;
  readonly #malformed: Counter;
  #names: NameTable | undefined;
  #pending = 0;

  constructor(options: DnsResolutionOptions) {
    this.#options = options;
    const counter = (name: string): Counter => options.stats.counter(`dns.${name}`);
    const evictions = counter('cache_evictions');
    this.#cache = new AnswerCache(options.clock, options.mostCached ?? 2_048, () => evictions.inc());
    this.#mostPending = options.mostPending ?? 1_024;
    this.#requests = counter('requests');
    this.#fromMesh = counter('answered_from_mesh');
    this.#fromCache = counter('answered_from_cache');
    this.#forwarded = counter('forwarded');
    this.#failures = counter('forward_failures');
    this.#overflow = counter('forward_overflow');
    this.#malformed = counter('malformed');
  }

  /** Takes the names of the mesh as they are from now on. */
  setNames(names: NameTable): void {
    this.#names = names;
  }

  /** Calls back once, maybe inside this call: with nothing where the message deserves no answer. */
  resolve(
    request: Buffer,
    callback: (answer: Buffer | undefined, query: DnsQuery | undefined) => void,
  ): void {
    this.#requests.inc();
    const query = parseQuery(request);
    if (query === 'ignored' || 'rcode' in query) {
      this.#malformed.inc();
      callback(query === 'ignored' ? undefined : formatRefusal(query.id, query.rcode), undefined);
      return;
    }
    if (query.edns !== undefined && query.edns > 0) {
      callback(formatAnswer(request, query, { rcode: DNS_RCODE.badVersion }), query);
      return;
    }
    const names = query.class === DNS_CLASS_IN ? this.#names : undefined;
    const answer = names && answerOfMesh(names, query, this.#options.isAuthority === true);
    if (answer !== undefined) {
      this.#fromMesh.inc();
      callback(formatAnswer(request, query, answer), query);
      return;
    }
    const cached = this.#cache.get(request, query);
    if (cached !== undefined) {
      this.#fromCache.inc();
      callback(cached, query);
      return;
    }
    this.#forward(request, query, callback);
  }

  #forward(
    request: Buffer,
    query: DnsQuery,
    callback: (answer: Buffer | undefined, query: DnsQuery) => void,
  ): void {
    const { servers, ask } = this.#options;
    if (this.#pending >= this.#mostPending) {
      this.#overflow.inc();
      callback(formatAnswer(request, query, { rcode: DNS_RCODE.serverFailure }), query);
      return;
    }
    this.#pending++;
    this.#forwarded.inc();
    const finish = (answer: Buffer): void => {
      this.#pending--;
      callback(answer, query);
    };
    const next = (index: number): void => {
      const server = servers[index];
      if (server === undefined) {
        this.#failures.inc();
        finish(formatAnswer(request, query, { rcode: DNS_RCODE.serverFailure }));
        return;
      }
      ask(server, request, (answer) => {
        if (answer === undefined) next(index + 1);
        else {
          this.#cache.put(request, query, answer);
          finish(answer);
        }
      });
    };
    next(0);
  }
}
