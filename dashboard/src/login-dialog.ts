import { h, update } from './element.js';
import type { Session } from './session.js';

/** Asks for the token that heddled printed. */
export class LoginDialog {
  readonly #dialog: HTMLDialogElement;
  readonly #session: Session;
  readonly #onChange: () => void;
  #problem = '';

  constructor(session: Session, onChange: () => void) {
    this.#session = session;
    this.#onChange = onChange;
    this.#dialog = document.createElement('dialog');
    this.#dialog.setAttribute('aria-labelledby', 'login-title');
    document.body.append(this.#dialog);
    this.#dialog.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#dialog.addEventListener('click', (event) => {
      if ((event.target as Element).getAttribute('data-login') === 'cancel') this.#dialog.close();
    });
  }

  show(): void {
    this.#problem = '';
    this.#render();
    this.#dialog.showModal();
  }

  #render(): void {
    update(
      this.#dialog,
      h(
        'form',
        { method: 'dialog' },
        h('h2', { id: 'login-title' }, 'Log in'),
        h(
          'p',
          { class: 'muted' },
          'Looking is free. To change something, paste the token that heddled (or heddle up) printed when it started.',
        ),
        h('input', {
          type: 'password',
          name: 'token',
          'aria-label': 'Token',
          autocomplete: 'off',
          required: true,
        }),
        h('p', { class: 'bad-text', role: 'alert' }, this.#problem),
        h(
          'div',
          { class: 'buttons' },
          h('button', { type: 'button', 'data-login': 'cancel' }, 'Cancel'),
          h('button', { type: 'submit', class: 'primary' }, 'Log in'),
        ),
      ),
    );
  }

  async #submit(): Promise<void> {
    const input = this.#dialog.querySelector('input');
    try {
      const isRight = await this.#session.logIn(input?.value.trim() ?? '');
      this.#problem = isRight ? '' : 'This is not the token of this heddled.';
    } catch {
      this.#problem = 'heddled does not answer.';
    }
    if (this.#problem !== '') {
      this.#render();
      return;
    }
    if (input !== null) input.value = '';
    this.#dialog.close();
    this.#onChange();
  }
}
