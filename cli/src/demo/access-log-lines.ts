import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** One line of a proxy's access log; `-` and null mean that there was nothing to say. */
export type AccessLogLine = Readonly<Record<string, string | number | null | undefined>>;

/** What the proxies of a workload logged about requests for a path. Lines appear a moment after the answer. */
export async function accessLogLines(
  logsFolder: string,
  workload: string,
  path: string,
): Promise<readonly AccessLogLine[]> {
  const files = (await readdir(logsFolder)).filter(
    (file) => file.startsWith(workload) && file.endsWith('.access.log'),
  );
  const texts = await Promise.all(files.map((file) => readFile(join(logsFolder, file), 'utf8')));
  return texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.includes(path))
    .map((line) => JSON.parse(line) as AccessLogLine)
    .filter((line) => line['path'] === path);
}

/** The lines that the programs of a workload wrote and that begin so, without that beginning. */
export async function programLines(
  logsFolder: string,
  workload: string,
  beginning: string,
): Promise<readonly string[]> {
  const files = (await readdir(logsFolder)).filter(
    (file) => file.startsWith(workload) && /^[^.]+\.log$/.test(file),
  );
  const texts = await Promise.all(files.map((file) => readFile(join(logsFolder, file), 'utf8')));
  return texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.startsWith(beginning))
    .map((line) => line.slice(beginning.length));
}

/** Whether the line was written by the callee's sidecar, and not by the caller's. */
export function isInbound(line: AccessLogLine): boolean {
  return String(line['upstream_cluster'] ?? '').startsWith('inbound|');
}
