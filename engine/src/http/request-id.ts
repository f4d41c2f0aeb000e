import { randomFillSync } from 'node:crypto';

const IDS_PER_BATCH = 256;
const ID_BYTES = 16;
const ID_CHARACTERS = 36;
const DASH = 0x2d;

const random = new Uint8Array(IDS_PER_BATCH * ID_BYTES);
const characters = Buffer.alloc(IDS_PER_BATCH * ID_CHARACTERS);
const HEX = Buffer.from('0123456789abcdef', 'latin1');

let batch = '';
let next = IDS_PER_BATCH;

/**
 * A new x-request-id: a random UUID.
 *
 * Source: RFC 9562 section 5.4 (version 4).
 * Cost: made in batches, as parts of one flat string; joined from its pieces each time it would be flattened three times.
 */
export function newRequestId(): string {
  if (next === IDS_PER_BATCH) {
    batch = createBatch();
    next = 0;
  }
  const at = next++ * ID_CHARACTERS;
  return batch.substring(at, at + ID_CHARACTERS);
}

function createBatch(): string {
  randomFillSync(random);
  let to = 0;
  for (let from = 0; from < random.length; from++) {
    const place = from % ID_BYTES;
    if (place === 4 || place === 6 || place === 8 || place === 10) characters[to++] = DASH;
    let byte = random[from] as number;
    if (place === 6) byte = (byte & 0x0f) | 0x40;
    else if (place === 8) byte = (byte & 0x3f) | 0x80;
    characters[to++] = HEX[byte >> 4] as number;
    characters[to++] = HEX[byte & 15] as number;
  }
  return characters.toString('latin1');
}
