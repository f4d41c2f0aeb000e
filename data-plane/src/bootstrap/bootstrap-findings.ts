import type { Problem, Translated } from '@heddle/engine';

/** Everything wrong with a bootstrap, by path into the file, and what has no effect in it. */
export class BootstrapFindings {
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];
  readonly #refused = new Set<string>();

  problem(path: string, message: string): void {
    this.problems.push({ path, message });
  }

  /** Something accepted that has no effect. */
  ignored(path: string, isSet: boolean): void {
    if (isSet) this.warnings.push({ path, message: 'is not supported and has no effect' });
  }

  /** Takes over what the translation of the resource at `path` found. */
  take<T>(name: string, path: string, translated: Translated<T>): T | undefined {
    const below = (found: Problem): Problem => ({
      path: found.path === '' ? path : `${path}.${found.path}`,
      message: found.message,
    });
    if (!translated.ok) {
      this.#refused.add(name);
      this.problems.push(...translated.problems.map(below));
      return undefined;
    }
    this.warnings.push(...translated.warnings.map(below));
    return translated.value;
  }

  /** Whether a resource of this name was there but had problems. */
  isRefused(name: string): boolean {
    return this.#refused.has(name);
  }
}
