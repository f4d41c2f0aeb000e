import { lookup as resolve, type LookupAddress } from 'node:dns';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Clock } from '@heddle/common';
import type { AddressGuard } from './address-guard.js';

export interface FetchOptions {
  /** For all of it, redirects included. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly guard: AddressGuard;
  readonly clock: Clock;
}

/** Redirects that are followed; each is checked like the first URL. */
const MAX_REDIRECTS = 3;

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Fetches a small text over HTTP or HTTPS.
 *
 * Errors: an Error whose message says in plain words what went wrong. The guard is asked about the very address that is connected
 * to, so that a name cannot mean one address when it is checked and another when it is used.
 */
export async function fetchDocument(url: string, options: FetchOptions): Promise<string> {
  const deadline = new Deadline(options.clock, options.timeoutMs);
  try {
    let next = new URL(url);
    for (let redirects = 0; ; redirects++) {
      const answer = await fetchOnce(next, options, deadline);
      if (typeof answer === 'string') return answer;
      if (redirects === MAX_REDIRECTS) throw new Error(`more than ${MAX_REDIRECTS} redirects`);
      if (next.protocol === 'https:' && answer.protocol !== 'https:') {
        throw new Error(`redirected from https to ${answer.protocol}//${answer.host}`);
      }
      next = answer;
    }
  } finally {
    deadline.cancel();
  }
}

/** Ends what is under way when the time is up. */
class Deadline {
  readonly #timer;
  #expired = false;
  #onExpired: () => void = () => undefined;

  constructor(clock: Clock, timeoutMs: number) {
    this.#timer = clock.setTimer(timeoutMs, () => {
      this.#expired = true;
      this.#onExpired();
    });
  }

  set onExpired(callback: () => void) {
    this.#onExpired = callback;
    if (this.#expired) callback();
  }

  cancel(): void {
    this.#timer.cancel();
    this.#onExpired = () => undefined;
  }
}

/** The body, or where else it is. */
function fetchOnce(url: URL, options: FetchOptions, deadline: Deadline): Promise<string | URL> {
  return new Promise((done, failed) => {
    const refusal = whyNotCalled(url, options.guard);
    if (refusal !== undefined) {
      failed(new Error(refusal));
      return;
    }
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      agent: false,
      lookup: guardedLookup(options.guard),
      headers: { accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'heddled' },
    });
    const fail = (message: string): void => {
      failed(new Error(message));
      request.destroy();
    };
    deadline.onExpired = () => fail(`no answer within ${options.timeoutMs} ms`);
    request.on('error', (error) => failed(new Error(`${url.host}: ${error.message}`)));
    request.on('response', (response) => readAnswer(url, response, options.maxBytes, done, fail));
    request.end();
  });
}

function readAnswer(
  url: URL,
  response: IncomingMessage,
  maxBytes: number,
  done: (answer: string | URL) => void,
  fail: (message: string) => void,
): void {
  const { statusCode = 0, headers } = response;
  if (REDIRECTS.has(statusCode)) {
    const { location } = headers;
    if (location === undefined || !URL.canParse(location, url.href)) fail('redirected to nowhere');
    else {
      done(new URL(location, url.href));
      response.destroy();
    }
    return;
  }
  if (statusCode !== 200) {
    fail(`${url.host} answered with status ${statusCode}`);
    return;
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) fail(`the answer is longer than ${maxBytes} bytes`);
    else chunks.push(chunk);
  });
  response.on('end', () => done(Buffer.concat(chunks).toString('utf8')));
  response.on('close', () => {
    if (!response.complete) fail(`${url.host} broke off in the middle of its answer`);
  });
  response.on('error', (error) => fail(`${url.host}: ${error.message}`));
}

/** A host that is an address is not looked up, so it is checked here. */
function whyNotCalled(url: URL, guard: AddressGuard): string | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return `${url.protocol} is not http or https`;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(host) === 0 ? undefined : guard.whyRefused(host);
}

/** Resolves names to the addresses alone that may be called. */
function guardedLookup(guard: AddressGuard): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error !== null) {
        callback(error, '', 0);
        return;
      }
      const refusals = addresses.map(({ address }) => guard.whyRefused(address));
      const allowed = addresses.filter((_, i) => refusals[i] === undefined);
      const [first] = allowed;
      if (first === undefined) callback(new Error(refusals[0] ?? 'the name has no address'), '', 0);
      else if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
