import type { google } from '@heddle/xds-protos';

/** A node may be hostile: what it names is bounded. */
const maxPorts = 10_000;

/** Reads a Struct, naming every field that is not what it should be. */
export class MetadataReader {
  readonly #fields: Readonly<Record<string, google.protobuf.IValue>>;
  readonly #problems: string[];
  readonly #path: string;

  constructor(
    struct: google.protobuf.IStruct | null | undefined,
    problems: string[],
    path = 'node metadata ',
  ) {
    this.#fields = struct?.fields ?? {};
    this.#problems = problems;
    this.#path = path;
  }

  has(name: string): boolean {
    return this.#field(name) !== undefined;
  }

  text(name: string): string {
    const field = this.#field(name);
    if (field === undefined) return '';
    if (typeof field.stringValue === 'string') return field.stringValue;
    return this.#wrong(name, 'text', '');
  }

  /** Also as the text `true`, which is how environments and annotations carry it. */
  flag(name: string): boolean {
    const field = this.#field(name);
    if (field === undefined) return false;
    if (typeof field.boolValue === 'boolean') return field.boolValue;
    if (field.stringValue === 'true' || field.stringValue === 'false') return field.stringValue === 'true';
    return this.#wrong(name, 'true or false', false);
  }

  texts(name: string): Record<string, string> {
    const texts: Record<string, string> = {};
    const fields = this.#struct(name);
    for (const key of Object.keys(fields).sort()) {
      const { stringValue } = fields[key] ?? {};
      if (typeof stringValue === 'string') define(texts, key, stringValue);
      else this.#wrong(`${name}.${key}`, 'text', '');
    }
    return texts;
  }

  port(name: string, least = 1): number {
    return this.#portOf(name, this.#field(name), least);
  }

  ports(name: string): Record<string, number> {
    const ports: Record<string, number> = {};
    const fields = this.#struct(name);
    const names = Object.keys(fields).sort();
    if (names.length > maxPorts) return this.#wrong(name, `at most ${maxPorts} ports`, ports);
    for (const key of names) define(ports, key, this.#portOf(`${name}.${key}`, fields[key], 1));
    return ports;
  }

  reader(name: string): MetadataReader | undefined {
    const struct = this.#field(name)?.structValue;
    if (struct !== null && struct !== undefined)
      return new MetadataReader(struct, this.#problems, `${this.#path}${name}.`);
    if (this.has(name)) this.#wrong(name, 'an object', undefined);
    return undefined;
  }

  list(name: string): MetadataReader[] {
    const field = this.#field(name);
    if (field === undefined) return [];
    const values = field.listValue?.values;
    if (values === null || values === undefined || values.length > maxPorts) {
      return this.#wrong(name, `a list of at most ${maxPorts}`, []);
    }
    return values.map(
      (value, i) => new MetadataReader(value.structValue, this.#problems, `${this.#path}${name}[${i}].`),
    );
  }

  #field(name: string): google.protobuf.IValue | undefined {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #struct(name: string): Readonly<Record<string, google.protobuf.IValue>> {
    const field = this.#field(name);
    if (field === undefined) return {};
    return field.structValue?.fields ?? this.#wrong(name, 'an object', {});
  }

  #portOf(name: string, value: google.protobuf.IValue | undefined, least: number): number {
    const port = value?.numberValue;
    if (typeof port === 'number' && Number.isInteger(port) && port >= least && port <= 65_535) return port;
    return this.#wrong(name, `a port number from ${least} to 65535`, 0);
  }

  #wrong<T>(name: string, expected: string, instead: T): T {
    this.#problems.push(`${this.#path}${name}: expected ${expected}`);
    return instead;
  }
}

/** Sets a field of its own also when the name is `__proto__`. */
function define<T>(object: Record<string, T>, name: string, value: T): void {
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
}

export function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
