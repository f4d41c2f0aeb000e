import { execFileSync } from 'node:child_process';

/** A Chromium, or why there is none here: HEDDLE_CHROMIUM, or PATH. */
export function findChromium(): { readonly path: string } | { readonly missing: string } {
  for (const name of [process.env['HEDDLE_CHROMIUM'], 'chromium', 'chromium-browser', 'google-chrome']) {
    if (name === undefined || name === '') continue;
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' });
      const path = name.includes('/') ? name : execFileSync('which', [name], { encoding: 'utf8' }).trim();
      return { path };
    } catch {
      // Not one that runs here.
    }
  }
  return { missing: 'no Chromium here: set HEDDLE_CHROMIUM or install the package chromium' };
}
