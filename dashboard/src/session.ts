const KEY = 'heddle-token';

/** The token by which a person may change something; kept until the tab is closed, and sent with nothing but changes. */
export class Session {
  #token = sessionStorage.getItem(KEY) ?? '';

  get isLoggedIn(): boolean {
    return this.#token !== '';
  }

  /** Takes a token along that stands behind the address (`#token=…`), and removes it from there. */
  async takeFromAddress(): Promise<void> {
    const token = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
    if (token === undefined) return;
    history.replaceState(null, '', location.pathname);
    await this.logIn(token);
  }

  /** Resolves with whether it is the right one. */
  async logIn(token: string): Promise<boolean> {
    const answer = await fetch('/api/v1/login', { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) return false;
    this.#token = token;
    sessionStorage.setItem(KEY, token);
    return true;
  }

  logOut(): void {
    this.#token = '';
    sessionStorage.removeItem(KEY);
  }

  /** Changes something. Errors: why it was refused, for people. */
  async post(path: string): Promise<void> {
    const answer = await fetch(path, { method: 'POST', headers: { authorization: `Bearer ${this.#token}` } });
    if (answer.ok) return;
    if (answer.status === 401) this.logOut();
    const body: unknown = await answer.json().catch(() => undefined);
    const reason = (body as { error?: unknown } | undefined)?.error;
    throw new Error(typeof reason === 'string' ? reason : `heddled answered ${answer.status}`);
  }
}
