import { createHash } from 'node:crypto';

/** Units: bytes. 16 doubles, or 32 integers. */
const SLOT_BYTES = 128;
const HEADER_INTS = 16;
const LOCK = 0;
const USED = 1;
const FREE_HEAD = 2;
const OVERFLOWED = 3;
/** The number of slots that were ever taken. */
const FRESH = 4;
/** Two halves of the name's hash, the slot's number plus one (0: empty), and how many hold it. */
const ENTRY_INTS = 4;
/** Of the directory that may be full, so that looking for a name stays short. */
const ENTRIES_PER_SLOT = 2;

/** Memory under a name that several threads share: the same bytes as integers and as doubles, zero at first. */
export interface SharedSlot {
  readonly ints: Int32Array;
  readonly floats: Float64Array;
  /** Nobody had it before. */
  readonly isFirst: boolean;
  /** There was no slot left: nobody else will have it. */
  readonly isAlone: boolean;
}

/**
 * Small pieces of memory that the threads of a process share by name: what is counted or limited for all of them together.
 *
 * Shape: a directory of hashed names and a pool of slots in one SharedArrayBuffer, under a lock that is held for less than a
 * microsecond when configuration comes, and never for a request. Whoever keeps the slot object keeps its memory: it is given back
 * when the last thread has let go of it.
 * Bounds: `capacity` slots; beyond it a thread gets memory of its own, which is counted.
 */
export class SharedCells {
  readonly #ints: Int32Array;
  readonly #capacity: number;
  readonly #entries: number;
  readonly #slotsAt: number;
  readonly #dropped = new FinalizationRegistry<string>((name) => this.#release(name));

  /** Makes the memory that every thread is given. Cost: address space; pages count when they are used. */
  static allocate(capacity = 32_768): SharedArrayBuffer {
    const entries = capacity * ENTRIES_PER_SLOT;
    const directoryBytes = (HEADER_INTS + entries * ENTRY_INTS) * Int32Array.BYTES_PER_ELEMENT;
    return new SharedArrayBuffer(directoryBytes + capacity * SLOT_BYTES);
  }

  constructor(memory: SharedArrayBuffer) {
    this.#ints = new Int32Array(memory);
    const headerBytes = HEADER_INTS * Int32Array.BYTES_PER_ELEMENT;
    const bytesPerSlot = SLOT_BYTES + ENTRIES_PER_SLOT * ENTRY_INTS * Int32Array.BYTES_PER_ELEMENT;
    this.#capacity = Math.floor((memory.byteLength - headerBytes) / bytesPerSlot);
    this.#entries = this.#capacity * ENTRIES_PER_SLOT;
    this.#slotsAt = (HEADER_INTS + this.#entries * ENTRY_INTS) * Int32Array.BYTES_PER_ELEMENT;
  }

  /** Slots in use. */
  get used(): number {
    return Atomics.load(this.#ints, USED);
  }

  /** How often there was no slot left. */
  get overflowed(): number {
    return Atomics.load(this.#ints, OVERFLOWED);
  }

  /** The slot of this name, for as long as the object that is returned lives. */
  claim(name: string): SharedSlot {
    const [low, high] = hashOf(name);
    lock(this.#ints);
    let slot: number;
    let isFirst = false;
    try {
      let at = this.#find(low, high);
      if (at < 0) {
        slot = this.#takeSlot();
        if (slot < 0) {
          Atomics.add(this.#ints, OVERFLOWED, 1);
          return { ...viewOf(new SharedArrayBuffer(SLOT_BYTES), 0, true), isAlone: true };
        }
        isFirst = true;
        at = -at - 1;
        this.#ints[at] = low;
        this.#ints[at + 1] = high;
        this.#ints[at + 2] = slot + 1;
      } else slot = (this.#ints[at + 2] as number) - 1;
      (this.#ints[at + 3] as number)++;
    } finally {
      unlock(this.#ints);
    }
    const found = viewOf(this.#ints.buffer as SharedArrayBuffer, this.#slotsAt + slot * SLOT_BYTES, isFirst);
    this.#dropped.register(found, name);
    return found;
  }

  #release(name: string): void {
    const [low, high] = hashOf(name);
    lock(this.#ints);
    try {
      const at = this.#find(low, high);
      if (at < 0) return;
      const holders = ((this.#ints[at + 3] as number) -= 1);
      if (holders > 0) return;
      this.#giveSlotBack((this.#ints[at + 2] as number) - 1);
      this.#remove(at);
    } finally {
      unlock(this.#ints);
    }
  }

  /** Where the entry is; where it would be, as -1 minus that. */
  #find(low: number, high: number): number {
    const ints = this.#ints;
    for (let entry = (low >>> 0) % this.#entries; ; entry = (entry + 1) % this.#entries) {
      const at = HEADER_INTS + entry * ENTRY_INTS;
      if (ints[at + 2] === 0) return -at - 1;
      if (ints[at] === low && ints[at + 1] === high) return at;
    }
  }

  /** What was put further along because this place was taken moves up, so that it is still found. */
  #remove(at: number): void {
    const ints = this.#ints;
    let hole = (at - HEADER_INTS) / ENTRY_INTS;
    for (let entry = (hole + 1) % this.#entries; ; entry = (entry + 1) % this.#entries) {
      const from = HEADER_INTS + entry * ENTRY_INTS;
      if (ints[from + 2] === 0) break;
      const home = ((ints[from] as number) >>> 0) % this.#entries;
      const isPast =
        (entry - home + this.#entries) % this.#entries < (entry - hole + this.#entries) % this.#entries;
      if (isPast) continue;
      ints.copyWithin(HEADER_INTS + hole * ENTRY_INTS, from, from + ENTRY_INTS);
      hole = entry;
    }
    const last = HEADER_INTS + hole * ENTRY_INTS;
    ints.fill(0, last, last + ENTRY_INTS);
  }

  /** Slots that were given back form a list through their first integer. */
  #takeSlot(): number {
    const ints = this.#ints;
    const head = ints[FREE_HEAD] as number;
    if (head !== 0) {
      const slot = viewOf(ints.buffer as SharedArrayBuffer, this.#slotsAt + (head - 1) * SLOT_BYTES, true);
      ints[FREE_HEAD] = slot.ints[0] as number;
      slot.ints.fill(0);
      ints[USED] = (ints[USED] as number) + 1;
      return head - 1;
    }
    const fresh = ints[FRESH] as number;
    if (fresh >= this.#capacity) return -1;
    ints[FRESH] = fresh + 1;
    ints[USED] = (ints[USED] as number) + 1;
    return fresh;
  }

  #giveSlotBack(slot: number): void {
    const ints = this.#ints;
    const view = viewOf(ints.buffer as SharedArrayBuffer, this.#slotsAt + slot * SLOT_BYTES, true);
    view.ints[0] = ints[FREE_HEAD] as number;
    ints[FREE_HEAD] = slot + 1;
    ints[USED] = (ints[USED] as number) - 1;
  }
}

const LOCK_WAIT_MS = 1;

/** Waits until the first integer is ours. Cost: one atomic operation where nobody else holds it. */
export function lock(ints: Int32Array): void {
  while (Atomics.compareExchange(ints, LOCK, 0, 1) !== 0) Atomics.wait(ints, LOCK, 1, LOCK_WAIT_MS);
}

export function unlock(ints: Int32Array): void {
  Atomics.store(ints, LOCK, 0);
  Atomics.notify(ints, LOCK, 1);
}

function viewOf(memory: SharedArrayBuffer, at: number, isFirst: boolean): SharedSlot {
  return {
    ints: new Int32Array(memory, at, SLOT_BYTES / Int32Array.BYTES_PER_ELEMENT),
    floats: new Float64Array(memory, at, SLOT_BYTES / Float64Array.BYTES_PER_ELEMENT),
    isFirst,
    isAlone: false,
  };
}

/** 64 bits of a digest: that two names share them by chance does not happen. */
function hashOf(name: string): [low: number, high: number] {
  const digest = createHash('sha256').update(name).digest();
  return [digest.readInt32LE(0), digest.readInt32LE(4)];
}
