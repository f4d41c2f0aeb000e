import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** One link of a document that leads nowhere. */
export interface BrokenLink {
  readonly file: string;
  readonly line: number;
  readonly target: string;
}

const LINK = /\[(?:[^\]\\]|\\.)*\]\(\s*<?([^)>\s]+)>?(?:\s+"[^"]*")?\s*\)|^\s*\[[^\]]+\]:\s+(\S+)/g;

/** Links to files or headings that do not exist. Addresses with a scheme are not looked at. */
export function brokenLinks(root: string, files: readonly string[]): readonly BrokenLink[] {
  return files.flatMap((file) =>
    linesOutsideFences(readFileSync(path.join(root, file), 'utf8')).flatMap(({ line, text }) =>
      [...withoutCode(text).matchAll(LINK)]
        .map((match) => (match[1] ?? match[2]) as string)
        .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target) && !leadsSomewhere(root, file, target))
        .map((target) => ({ file, line, target })),
    ),
  );
}

function leadsSomewhere(root: string, file: string, target: string): boolean {
  const [name, heading] = decodeURI(target).split('#') as [string, string | undefined];
  const from = name.startsWith('/') ? root : path.join(root, path.dirname(file));
  const found = name === '' ? path.join(root, file) : path.join(from, name);
  if (!found.startsWith(root) || !existsSync(found)) return false;
  if (heading === undefined || !found.endsWith('.md')) return true;
  return headings(readFileSync(found, 'utf8')).has(heading.toLowerCase());
}

/** The anchors of a document, as the usual renderers make them. */
function headings(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const { text: line } of linesOutsideFences(text)) {
    const title = /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1];
    if (title === undefined) continue;
    const anchor = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    let unique = anchor;
    for (let copy = 1; anchors.has(unique); copy++) unique = `${anchor}-${copy}`;
    anchors.add(unique);
  }
  return anchors;
}

/** Every `npm run NAME` and `npm test` that a document tells people to type, in code. */
export function npmScriptsIn(markdown: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const match of markdown.matchAll(/\bnpm (?:run(?: --if-present)? ([a-z][\w:-]*)|(test|start)\b)/g)) {
    names.add((match[1] ?? match[2]) as string);
  }
  return names;
}

function linesOutsideFences(text: string): { line: number; text: string }[] {
  let fence: string | undefined;
  return text.split('\n').flatMap((content, index) => {
    const marker = /^\s*(```+|~~~+)/.exec(content)?.[1];
    if (marker !== undefined) {
      if (fence === undefined) fence = marker;
      else if (marker.startsWith(fence)) fence = undefined;
      return [];
    }
    return fence === undefined ? [{ line: index + 1, text: content }] : [];
  });
}

function withoutCode(line: string): string {
  return line.replace(/(`+)(?:(?!\1).)*\1/g, '');
}
