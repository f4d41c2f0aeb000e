import { addCounts, emptyCounts, type CallCounts } from './call-columns.js';
import { CountRing } from './count-ring.js';

/** One side of a call, as the labels of Istio's metrics name it. */
export interface CallParty {
  readonly namespace: string;
  /** `unknown`: it did not prove who it is, or there was nobody. */
  readonly workload: string;
  readonly canonicalService: string;
  readonly version: string;
}

/** Who called what, as one side reported it. */
export interface CallKey {
  readonly reporter: 'source' | 'destination';
  readonly source: CallParty;
  readonly destination: CallParty;
  /** The host that was called, fully qualified; `unknown` where it is not one of the mesh. */
  readonly host: string;
}

export interface TrafficStoreOptions {
  /** Records above this are counted in `overflowed` and not kept. Default 3,000, of about 13 KB each. */
  readonly maxRecords?: number;
}

const FINE = { slotMs: 2_000, slots: 60 };
const COARSE = { slotMs: 30_000, slots: 60 };
/** A record that counted nothing for so long makes room for another. */
const IDLE_MS = COARSE.slotMs * COARSE.slots;

/** What was counted of one key: in all, since heddled watches, and by time. */
export class CallRecord {
  readonly key: CallKey;
  /** As the proxies' counters stand. */
  readonly totals: CallCounts = emptyCounts();
  /** Without what a proxy had counted before heddled first asked it. */
  readonly observed: CallCounts = emptyCounts();
  /** Two minutes by two seconds. */
  readonly fine = new CountRing(FINE.slotMs, FINE.slots);
  /** Half an hour by half a minute. */
  readonly coarse = new CountRing(COARSE.slotMs, COARSE.slots);
  lastCountedMs: number;

  constructor(key: CallKey, nowMs: number) {
    this.key = key;
    this.lastCountedMs = nowMs;
  }

  /** `isHistory`: it was counted at some time before heddled first asked. */
  add(nowMs: number, column: number, count: number, isHistory: boolean): void {
    if (count === 0) return;
    this.totals[column] = (this.totals[column] as number) + count;
    this.lastCountedMs = nowMs;
    if (isHistory) return;
    this.observed[column] = (this.observed[column] as number) + count;
    this.fine.add(nowMs, column, count);
    this.coarse.add(nowMs, column, count);
  }
}

/** The calls of the whole mesh, in bounded memory. */
export class TrafficStore {
  readonly #maxRecords: number;
  readonly #records = new Map<string, CallRecord>();
  #overflowed = 0;

  constructor({ maxRecords = 3_000 }: TrafficStoreOptions = {}) {
    this.#maxRecords = maxRecords;
  }

  get records(): Iterable<CallRecord> {
    return this.#records.values();
  }

  get size(): number {
    return this.#records.size;
  }

  /** Keys that found no room. */
  get overflowed(): number {
    return this.#overflowed;
  }

  /** The record of a key, made where there is none; undefined while all the room is taken by those in use. */
  recordOf(key: CallKey, nowMs: number): CallRecord | undefined {
    const name = nameOf(key);
    let record = this.#records.get(name);
    if (record !== undefined) return record;
    if (this.#records.size >= this.#maxRecords && !this.#makeRoom(nowMs)) {
      this.#overflowed++;
      return undefined;
    }
    record = new CallRecord(key, nowMs);
    this.#records.set(name, record);
    return record;
  }

  /** Whether a record is still kept: one that made room counts no more. */
  holds(record: CallRecord): boolean {
    return this.#records.get(nameOf(record.key)) === record;
  }

  #makeRoom(nowMs: number): boolean {
    const before = this.#records.size;
    for (const [name, record] of this.#records) {
      if (nowMs - record.lastCountedMs > IDLE_MS) this.#records.delete(name);
    }
    return this.#records.size < before;
  }
}

/** The last seconds that are complete, for figures of now. Units: `seconds` is how many they are. */
export function recentCounts(
  records: Iterable<CallRecord>,
  nowMs: number,
  slots = 5,
): { readonly counts: CallCounts; readonly seconds: number } {
  const counts = emptyCounts();
  const end = Math.floor(nowMs / FINE.slotMs);
  for (const record of records) record.fine.sum(end - slots, end, counts);
  return { counts, seconds: (slots * FINE.slotMs) / 1000 };
}

export function totalCounts(records: Iterable<CallRecord>, which: 'totals' | 'observed'): CallCounts {
  const counts = emptyCounts();
  for (const record of records) addCounts(counts, record[which]);
  return counts;
}

/** Time by slots, the oldest first, the one under way left out. */
export function historyOf(
  records: readonly CallRecord[],
  which: 'fine' | 'coarse',
  nowMs: number,
): { readonly slotMs: number; readonly endMs: number; readonly rows: readonly CallCounts[] } {
  const { slotMs, slots } = which === 'fine' ? FINE : COARSE;
  const end = Math.floor(nowMs / slotMs);
  const rows: CallCounts[] = [];
  for (let slot = end - slots + 1; slot < end; slot++) {
    const row = emptyCounts();
    for (const record of records) record[which].sum(slot, slot + 1, row);
    rows.push(row);
  }
  return { slotMs, endMs: end * slotMs, rows };
}

function nameOf({ reporter, source, destination, host }: CallKey): string {
  const party = ({ namespace, workload, canonicalService, version }: CallParty): string =>
    `${namespace}\n${workload}\n${canonicalService}\n${version}`;
  return `${reporter}\n${party(source)}\n${party(destination)}\n${host}`;
}
