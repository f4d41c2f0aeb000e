import type { Http2Config } from '@heddle/engine';
import type { FrameOutput } from './frame-output.js';
import type { Http2Stats } from './http2-stats.js';

/**
 * Counts what a peer may do that costs it little and us much, and says when it is too much.
 *
 * Source: Envoy's limits of its HTTP/2 codec (CVE-2019-9511 to 9518) and against rapid resets (CVE-2023-44487); streams that we
 * have to reset for the peer's faults count as resets of its own (CVE-2025-8671).
 * Shape: each question answers whether the connection must end.
 */
export class FloodGuard {
  readonly #config: Http2Config;
  readonly #stats: Http2Stats;
  readonly #output: FrameOutput;
  #streams = 0;
  #dataFramesSent = 0;
  #emptyFrames = 0;
  #priorityFrames = 0;
  #windowUpdates = 0;
  #judged = 0;
  #reset = 0;

  constructor(config: Http2Config, stats: Http2Stats, output: FrameOutput) {
    this.#config = config;
    this.#stats = stats;
    this.#output = output;
  }

  onStream(): void {
    this.#streams++;
  }

  onDataSent(): void {
    this.#dataFramesSent++;
  }

  /** A frame that had something to say. */
  onFullFrame(): void {
    this.#emptyFrames = 0;
  }

  /** DATA, HEADERS or CONTINUATION without anything, and not the end of its stream. */
  isEmptyFlood(): boolean {
    if (++this.#emptyFrames <= this.#config.maxConsecutiveInboundEmptyFrames) return false;
    this.#stats.inboundEmptyFramesFlood.inc();
    return true;
  }

  isPriorityFlood(): boolean {
    const most = this.#config.maxInboundPriorityFramesPerStream * (1 + this.#streams);
    if (++this.#priorityFrames <= most) return false;
    this.#stats.inboundPriorityFramesFlood.inc();
    return true;
  }

  isWindowUpdateFlood(): boolean {
    const perData = this.#config.maxInboundWindowUpdatesPerDataFrameSent;
    if (++this.#windowUpdates <= 5 + 2 * (this.#streams + perData * this.#dataFramesSent)) return false;
    this.#stats.inboundWindowUpdateFramesFlood.inc();
    return true;
  }

  /** A stream is over; `isReset`: the peer had it end before its time. */
  isResetFlood(isReset: boolean): boolean {
    this.#judged++;
    if (isReset) this.#reset++;
    const { judgedStreams } = this.#config;
    if (this.#judged < judgedStreams) return false;
    const isFlood = this.#reset > judgedStreams / 2;
    this.#judged = 0;
    this.#reset = 0;
    if (isFlood) this.#stats.resetFlood.inc();
    return isFlood;
  }

  /** Something is about to be answered: whether too much waits already for a peer that does not read. */
  isOutputFlood(): boolean {
    const output = this.#output;
    if (output.waitingControlFrames > this.#config.maxOutboundControlFrames) {
      this.#stats.outboundControlFlood.inc();
      return true;
    }
    if (output.waitingFrames > this.#config.maxOutboundFrames) {
      this.#stats.outboundFlood.inc();
      return true;
    }
    return false;
  }
}
