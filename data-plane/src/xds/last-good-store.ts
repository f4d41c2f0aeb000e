import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError, type Clock, type Logger, type Timer } from '@heddle/common';
import { envoy } from '@heddle/xds-protos';
import type { Counter, StatsStore } from '../stats/stats-store.js';

/** The configuration that last worked, as it came over the wire. */
export interface LastGood {
  /** Wall clock. */
  readonly writtenAtMs: number;
  readonly types: readonly {
    readonly typeUrl: string;
    /** The version that the server gave the type as a whole. */
    readonly version: string;
    readonly resources: readonly {
      readonly name: string;
      readonly version: string;
      readonly typeUrl: string;
      readonly bytes: Uint8Array;
    }[];
  }[];
}

export interface LastGoodStoreOptions {
  readonly directory: string;
  /** Whose configuration it is: a folder may be shared by proxies. */
  readonly nodeId: string;
  readonly nodeCluster: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stats: StatsStore;
  /** Changes within this time are written together. Default 1 s. */
  readonly debounceMs?: number;
  /** More is not kept. Default 64 MiB. */
  readonly maxBytes?: number;
}

const MAGIC = 'HEDDLE-LAST-GOOD 1';
const MAX_BYTES = 64 * 1024 * 1024;
const { DeltaDiscoveryResponse } = envoy.service.discovery.v3;

/**
 * Keeps the last good configuration of one proxy in one file, readable by its owner alone.
 *
 * Shape: a first line `HEDDLE-LAST-GOOD 1 SHA256 TIME`, then one delta answer of the xDS protocol for each type, each
 * after its length in four bytes. Written beside and renamed, so that a crash leaves the old file or the new one.
 * Errors: none. A file that cannot be read or was changed is reported and passed over; one that cannot be written is
 * reported, counted, and tried again with the next change.
 */
export class LastGoodStore {
  readonly #options: LastGoodStoreOptions;
  readonly #file: string;
  readonly #failures: Counter;
  readonly #writes: Counter;
  #pending: (() => LastGood) | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();
  #lastDigest = '';

  constructor(options: LastGoodStoreOptions) {
    this.#options = options;
    const whose = createHash('sha256').update(`${options.nodeId}\0${options.nodeCluster}`).digest('hex');
    this.#file = join(options.directory, `last-good-${whose.slice(0, 16)}.bin`);
    this.#failures = options.stats.counter('xds.last_good.write_failure');
    this.#writes = options.stats.counter('xds.last_good.write_success');
  }

  get file(): string {
    return this.#file;
  }

  /** What was kept; undefined when there is nothing, or nothing that can be trusted. */
  async load(): Promise<LastGood | undefined> {
    const { log } = this.#options;
    try {
      const { size } = await stat(this.#file);
      if (size > (this.#options.maxBytes ?? MAX_BYTES))
        throw new RangeError(`it is too large: ${size} bytes`);
      return decodeLastGood(await readFile(this.#file));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      log.error('the last good configuration cannot be used', {
        file: this.#file,
        reason: describeError(thrown),
      });
      return undefined;
    }
  }

  /** Writes what `read` returns, shortly after the last call. */
  save(read: () => LastGood): void {
    this.#pending = read;
    this.#timer ??= this.#options.clock.setTimer(this.#options.debounceMs ?? 1000, () => {
      this.#timer = undefined;
      void this.flush();
    });
  }

  /** Writes now what waits to be written. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const read = this.#pending;
    this.#pending = undefined;
    if (read !== undefined) {
      const before = this.#writing;
      const lastGood = read();
      this.#writing = (async () => {
        await before;
        await this.#write(lastGood);
      })();
    }
    await this.#writing;
  }

  /** Stops the timer. What waits is lost; `flush` first to keep it. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#pending = undefined;
  }

  async #write(lastGood: LastGood): Promise<void> {
    const { directory, log } = this.#options;
    const beside = `${this.#file}.${process.pid}.tmp`;
    try {
      const body = encodeBody(lastGood);
      const digest = createHash('sha256').update(body).digest('hex');
      if (digest === this.#lastDigest) return;
      if (body.length > (this.#options.maxBytes ?? MAX_BYTES)) {
        throw new RangeError(`it is too large to keep: ${body.length} bytes`);
      }
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const handle = await open(beside, 'w', 0o600);
      try {
        await handle.write(`${MAGIC} ${digest} ${lastGood.writtenAtMs}\n`);
        await handle.write(body);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(beside, this.#file);
      this.#lastDigest = digest;
      this.#writes.inc();
    } catch (thrown) {
      this.#failures.inc();
      log.error('the last good configuration cannot be kept', {
        file: this.#file,
        reason: describeError(thrown),
      });
      await unlink(beside).catch(() => undefined);
    }
  }
}

function encodeBody(lastGood: LastGood): Buffer {
  const parts: Buffer[] = [];
  for (const { typeUrl, version, resources } of lastGood.types) {
    const message = DeltaDiscoveryResponse.encode({
      typeUrl,
      systemVersionInfo: version,
      resources: resources.map((one) => ({
        name: one.name,
        version: one.version,
        resource: { typeUrl: one.typeUrl, value: one.bytes },
      })),
    }).finish();
    const length = Buffer.alloc(4);
    length.writeUInt32BE(message.length);
    parts.push(length, Buffer.from(message.buffer, message.byteOffset, message.byteLength));
  }
  return Buffer.concat(parts);
}

/** Errors: throws, with the reason, for anything but a whole file of ours. */
export function decodeLastGood(file: Buffer): LastGood {
  const end = file.indexOf(10);
  const head =
    end < 0
      ? null
      : /^HEDDLE-LAST-GOOD 1 ([0-9a-f]{64}) (\d+(?:\.\d+)?)$/.exec(file.toString('latin1', 0, end));
  if (head === null) throw new TypeError('it does not begin as it should');
  const body = file.subarray(end + 1);
  if (createHash('sha256').update(body).digest('hex') !== head[1])
    throw new TypeError('its checksum is wrong');
  const types: LastGood['types'][number][] = [];
  for (let at = 0; at < body.length;) {
    const length = body.readUInt32BE(at);
    const message = DeltaDiscoveryResponse.decode(body.subarray(at + 4, at + 4 + length));
    types.push({
      typeUrl: message.typeUrl,
      version: message.systemVersionInfo,
      resources: message.resources.map((one) => ({
        name: one.name,
        version: one.version,
        typeUrl: one.resource?.typeUrl ?? '',
        bytes: one.resource?.value ?? new Uint8Array(0),
      })),
    });
    at += 4 + length;
  }
  return { writtenAtMs: Number(head[2]), types };
}
