const KEY = 'heddle-theme';
const CHOICES = ['system', 'light', 'dark'] as const;

/** Light, dark, or as the system wants it. */
export class Theme {
  #choice = CHOICES.find((choice) => choice === localStorage.getItem(KEY)) ?? 'system';

  constructor() {
    this.#apply();
  }

  get name(): string {
    return { system: 'Auto', light: 'Light', dark: 'Dark' }[this.#choice];
  }

  next(): void {
    this.#choice = CHOICES[(CHOICES.indexOf(this.#choice) + 1) % CHOICES.length] ?? 'system';
    localStorage.setItem(KEY, this.#choice);
    this.#apply();
  }

  #apply(): void {
    document.documentElement.setAttribute('data-theme', this.#choice);
  }
}
