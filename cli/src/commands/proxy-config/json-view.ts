/** JSON of unknown shape, read without surprises: what is not there is empty. */
export class JsonView {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }

  get(...path: readonly string[]): JsonView {
    let value = this.value;
    for (const name of path) {
      value =
        typeof value === 'object' && value !== null && Object.hasOwn(value, name)
          ? (value as Readonly<Record<string, unknown>>)[name]
          : undefined;
    }
    return new JsonView(value);
  }

  list(...path: readonly string[]): readonly JsonView[] {
    const { value } = this.get(...path);
    return Array.isArray(value) ? value.map((one) => new JsonView(one)) : [];
  }

  texts(...path: readonly string[]): readonly string[] {
    return this.list(...path).map((one) => one.text());
  }

  text(...path: readonly string[]): string {
    const { value } = this.get(...path);
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : '';
  }

  number(...path: readonly string[]): number {
    return Number(this.text(...path)) || 0;
  }

  has(...path: readonly string[]): boolean {
    return this.get(...path).value !== undefined;
  }
}
