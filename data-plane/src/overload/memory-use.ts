import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';

/** What of its memory this process uses. Units: bytes. */
export interface MemoryUse {
  /** Of objects, dead ones included that were not collected yet. */
  readonly heap: number;
  readonly heapLimit: number;
  /** Of buffers outside the heap. */
  readonly external: number;
}

/** What Node itself takes beside heap and buffers, about. */
const RUNTIME_BYTES = 40 * 1024 * 1024;
/** Descriptors that are not connections: listeners, logs, the control plane. */
const OTHER_DESCRIPTORS = 128;

/** Cost: some microseconds. */
export function memoryUse(): MemoryUse {
  const { used_heap_size: heap, heap_size_limit: heapLimit, external_memory: external } = getHeapStatistics();
  return { heap, heapLimit, external };
}

/** What the container allows, else what the machine has. */
export function memoryLimit(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  const total = totalmem();
  return constrained > 0 && constrained < total ? constrained : total;
}

/** The share that is used of what V8 allows itself, or of the limit: the greater one. */
export function memoryPressure({ heap, heapLimit, external }: MemoryUse, limit: number): number {
  return Math.max(heap / heapLimit, (heap + external + RUNTIME_BYTES) / limit);
}

/** How many connections this process has descriptors for, each with one of its own upstream; undefined where that is not known. */
export function affordableConnections(): number | undefined {
  let limits: string;
  try {
    limits = readFileSync('/proc/self/limits', 'latin1');
  } catch {
    return undefined; // not Linux
  }
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? undefined : Math.max(64, Math.floor((Number(soft) - OTHER_DESCRIPTORS) / 2));
}
