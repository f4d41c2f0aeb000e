import { readFileSync } from 'node:fs';
import type { Clock } from '@heddle/common';
import { formatProblem, type SourceProblem } from '@heddle/control-plane';
import type { HeddledClient } from '../launcher/heddled-client.js';
import type { Terminal } from '../terminal.js';

const POLL_MS = 300;

/** Shows each mistake in the YAML once, says when all are mended, and shows what a proxy refuses. */
export function watchProblems(heddled: HeddledClient, terminal: Terminal, clock: Clock): { cancel(): void } {
  let shown = new Set<string>();
  let refused = new Set<string>();
  let cancelled = false;
  let timer: { cancel(): void } | undefined;
  const look = async (): Promise<void> => {
    const problems = await heddled.problems().catch(() => undefined);
    if (problems !== undefined && !cancelled) {
      const texts = problems.map((found) => formatProblem(withLine(found), { color: terminal.color }));
      for (const text of texts) if (!shown.has(text)) terminal.say(text);
      const hadErrors = shown.size > 0;
      if (texts.length === 0 && hadErrors) terminal.say('all mistakes are mended');
      shown = new Set(texts);
    }
    const proxies = cancelled ? undefined : await heddled.proxies().catch(() => undefined);
    if (proxies !== undefined && !cancelled) {
      const texts = proxies.flatMap(({ id, types }) =>
        types.flatMap(({ nack }) => (nack === undefined ? [] : [`${id} refuses its configuration: ${nack}`])),
      );
      for (const text of texts) if (!refused.has(text)) terminal.say(text);
      refused = new Set(texts);
    }
    if (!cancelled) timer = clock.setTimer(POLL_MS, () => void look());
  };
  void look();
  return {
    cancel: () => {
      cancelled = true;
      timer?.cancel();
    },
  };
}

/** The API leaves the line's text out; the file is here. */
function withLine(found: SourceProblem): SourceProblem {
  if (found.line === 0) return found;
  try {
    const lineText = readFileSync(found.file, 'utf8').split('\n')[found.line - 1];
    return lineText === undefined ? found : { ...found, lineText };
  } catch {
    return found;
  }
}
