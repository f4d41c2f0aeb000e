import { spawn } from 'node:child_process';
import { describeError } from '@heddle/common';
import type { Terminal } from '../terminal.js';
import { heddledClient, type HeddledAccessOptions } from './heddled-access.js';

export interface DashboardOptions extends HeddledAccessOptions {
  readonly terminal: Terminal;
  /** Whether to show it in a browser. */
  readonly open: boolean;
}

/** `heddle dashboard`: where it is, and opens it. Resolves with the exit code. */
export async function runDashboard(options: DashboardOptions): Promise<number> {
  const { terminal } = options;
  try {
    const { client, apiPort, token } = heddledClient(options);
    await client.startedAt();
    const address = `http://127.0.0.1:${apiPort}/`;
    terminal.say(address);
    if (token !== '') terminal.note(`logged in: ${address}#token=${token}`);
    if (options.open) openBrowser(address);
    return 0;
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
}

/** Never with the token, which others on this machine could read from the list of processes. */
function openBrowser(address: string): void {
  const command =
    process.platform === 'darwin' ? 'open' : process.platform === 'win32' ? 'explorer' : 'xdg-open';
  const browser = spawn(command, [address], { detached: true, stdio: 'ignore' });
  // Where there is no browser, the address was printed.
  browser.on('error', () => undefined);
  browser.unref();
}
