/**
 * The header fields of one message, in order, as both codecs read and write them.
 *
 * Shape: parallel arrays; `names[i]` is lower case and, for every common name, one interned string (so that a look-up
 * is mostly pointer comparison), `rawNames[i]` is the name as it was received, `values[i]` has no surrounding white space.
 * Pseudo-headers are properties of the head, never entries here.
 * Cost: look-ups walk the array; messages have about ten fields, and that beats hashing.
 */
export class HeaderMap {
  readonly names: string[] = [];
  readonly rawNames: string[] = [];
  readonly values: string[] = [];
  /** Set by a parser where the names are to be written by HTTP/1.1 as they were received. */
  keepsCase = false;
  /** How many values at the start a parser has checked byte by byte, and nobody has replaced since. */
  #checked = 0;

  get length(): number {
    return this.names.length;
  }

  /** For parsers: the values that are here now hold no byte that a header value may not hold. */
  markChecked(): void {
    this.#checked = this.values.length;
  }

  /** Values before this place need no check when they are written. */
  get checked(): number {
    return this.#checked;
  }

  /** Adds at the end. `name` must be lower case. */
  append(name: string, value: string, rawName: string = name): void {
    this.names.push(name);
    this.rawNames.push(rawName);
    this.values.push(value);
  }

  /** The first value of `name` (lower case), or undefined. */
  get(name: string): string | undefined {
    const index = this.names.indexOf(name);
    return index === -1 ? undefined : this.values[index];
  }

  has(name: string): boolean {
    return this.names.includes(name);
  }

  /** All values of `name` joined by `,` as Envoy joins them (RFC 9110 section 5.3); what matchers and policies must look at. */
  joined(name: string): string | undefined {
    const first = this.names.indexOf(name);
    if (first === -1) return undefined;
    let value = this.values[first] as string;
    for (
      let next = this.names.indexOf(name, first + 1);
      next !== -1;
      next = this.names.indexOf(name, next + 1)
    ) {
      value += `,${this.values[next] as string}`;
    }
    return value;
  }

  /** Replaces every field of that name by one, in the place of the first, or adds it. */
  set(name: string, value: string, rawName: string = name): void {
    const first = this.names.indexOf(name);
    if (first === -1) {
      this.append(name, value, rawName);
      return;
    }
    this.rawNames[first] = rawName;
    this.values[first] = value;
    if (first < this.#checked) this.#checked = first;
    if (this.names.indexOf(name, first + 1) !== -1) this.#removeFrom(name, first + 1);
  }

  /** Removes every field of that name. Returns whether there was one. */
  remove(name: string): boolean {
    const first = this.names.indexOf(name);
    if (first === -1) return false;
    this.#removeFrom(name, first);
    return true;
  }

  /** The size of the fields as HTTP/1.1 would write them, in bytes. */
  get byteSize(): number {
    let bytes = 0;
    for (let i = 0; i < this.names.length; i++) {
      bytes += (this.names[i] as string).length + (this.values[i] as string).length + 4;
    }
    return bytes;
  }

  #removeFrom(name: string, start: number): void {
    let kept = start;
    if (start < this.#checked) this.#checked = start;
    for (let i = start; i < this.names.length; i++) {
      if (this.names[i] === name) continue;
      this.names[kept] = this.names[i] as string;
      this.rawNames[kept] = this.rawNames[i] as string;
      this.values[kept] = this.values[i] as string;
      kept++;
    }
    this.names.length = kept;
    this.rawNames.length = kept;
    this.values.length = kept;
  }
}
