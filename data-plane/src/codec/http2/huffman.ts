import { EOS, HUFFMAN_CODE } from './huffman-code.js';

/** What half a byte does to a state: the next state, and the flags below with a symbol where there is one. */
const EMITS = 1 << 8;
/** The string may end here: what has been read of the next code is at most seven bits, all of them ones. */
const ACCEPTED = 1 << 9;
const FAILS = 1 << 10;
const STATE_SHIFT = 11;

/** By state and half a byte: symbol in the low 8 bits, flags, next state. */
const TRANSITIONS = buildTransitions();

/** Not a Huffman string. */
export const BAD_HUFFMAN = -1;

/**
 * Decodes what lies between `start` and `end` into `target`, which must have room for `decodedBound` bytes.
 *
 * Source: RFC 7541 section 5.2. Returns how many bytes there were, or `BAD_HUFFMAN`.
 */
export function decodeHuffman(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let state = 0;
  let length = 0;
  let isAccepted = true;
  for (let at = start; at < end; at++) {
    const byte = source[at] as number;
    let step = TRANSITIONS[(state << 4) | (byte >> 4)] as number;
    if ((step & FAILS) !== 0) return BAD_HUFFMAN;
    if ((step & EMITS) !== 0) target[length++] = step & 0xff;
    step = TRANSITIONS[((step >> STATE_SHIFT) << 4) | (byte & 15)] as number;
    if ((step & FAILS) !== 0) return BAD_HUFFMAN;
    if ((step & EMITS) !== 0) target[length++] = step & 0xff;
    state = step >> STATE_SHIFT;
    isAccepted = (step & ACCEPTED) !== 0;
  }
  return isAccepted ? length : BAD_HUFFMAN;
}

/** More bytes than that cannot come of so many encoded ones: the shortest code has five bits. */
export function decodedBound(encodedBytes: number): number {
  return Math.ceil((encodedBytes * 8) / 5);
}

/** How many bytes latin1 text takes when encoded. */
export function huffmanLength(text: string): number {
  const { lengths } = HUFFMAN_CODE;
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >> 3;
}

/** Encodes latin1 text to `target` from `at` on. Returns the place behind it. */
export function encodeHuffman(text: string, target: Uint8Array, at: number): number {
  const { bits, lengths } = HUFFMAN_CODE;
  // At most 7 bits wait; the longest code of a byte has 30, so both fit below 2^53 but not into 32 bits.
  let waiting = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    const length = lengths[symbol] as number;
    const code = bits[symbol] as number;
    if (count + length <= 31) {
      waiting = (waiting << length) | code;
      count += length;
    } else {
      // Only the rarest bytes: the upper part first.
      const low = length - 16;
      waiting = (waiting << 16) | (code >>> low);
      count += 16;
      while (count >= 8) target[at++] = (waiting >>> (count -= 8)) & 0xff;
      waiting = ((waiting & ((1 << count) - 1)) << low) | (code & ((1 << low) - 1));
      count += low;
    }
    while (count >= 8) target[at++] = (waiting >>> (count -= 8)) & 0xff;
    waiting &= (1 << count) - 1;
  }
  if (count > 0) target[at++] = ((waiting << (8 - count)) | (0xff >> count)) & 0xff;
  return at;
}

interface Node {
  readonly children: (Node | undefined)[];
  symbol: number;
  /** Its number among the inner nodes, which are the states. */
  state: number;
  /** Whether the way to it is at most seven ones. */
  isPadding: boolean;
}

function createNode(isPadding: boolean): Node {
  return { children: [undefined, undefined], symbol: -1, state: -1, isPadding };
}

function buildTransitions(): Uint32Array {
  const root = createNode(true);
  const { bits, lengths } = HUFFMAN_CODE;
  const inner: Node[] = [root];
  root.state = 0;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    const length = lengths[symbol] as number;
    let node = root;
    for (let bit = length - 1; bit >= 0; bit--) {
      const side = ((bits[symbol] as number) >>> bit) & 1;
      let child = node.children[side];
      if (child === undefined) {
        child = createNode(node.isPadding && side === 1 && length - bit <= 7);
        node.children[side] = child;
        if (bit > 0) {
          child.state = inner.length;
          inner.push(child);
        }
      }
      node = child;
    }
    node.symbol = symbol;
  }
  const table = new Uint32Array(inner.length * 16);
  for (const node of inner) {
    for (let half = 0; half < 16; half++) table[(node.state << 4) | half] = transition(root, node, half);
  }
  return table;
}

function transition(root: Node, from: Node, half: number): number {
  let node = from;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = node.children[(half >> bit) & 1];
    if (child === undefined || child.symbol === EOS) return FAILS;
    if (child.symbol === -1) {
      node = child;
    } else {
      // The shortest code has five bits, so that half a byte ends one code at most.
      emitted = EMITS | child.symbol;
      node = root;
    }
  }
  return emitted | (node.isPadding ? ACCEPTED : 0) | (node.state << STATE_SHIFT);
}
