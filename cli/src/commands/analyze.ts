import { describeError } from '@heddle/common';
import { buildModel, defaultMeshSettings, formatProblem, type SourceProblem } from '@heddle/control-plane';
import { stringify } from 'yaml';
import type { Terminal } from '../terminal.js';
import { checkFolders } from './check-folders.js';
import { readFolders, type FolderContent } from './read-folders.js';

export interface AnalyzeOptions {
  readonly folders: readonly string[];
  /** The namespace whose policies hold for the whole mesh, as heddled will be told. */
  readonly rootNamespace: string;
  readonly output: 'text' | 'json' | 'yaml';
  readonly terminal: Terminal;
}

/** Checks folders of YAML as heddled would read them, without running anything. Resolves with 1 when there are errors. */
export async function runAnalyze(options: AnalyzeOptions): Promise<number> {
  const { terminal } = options;
  const folders = checkFolders(options.folders, terminal);
  if (folders === undefined) return 1;
  const settings = { ...defaultMeshSettings, rootNamespace: options.rootNamespace };
  let content: FolderContent;
  try {
    content = await readFolders(folders);
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
  const resources = content.resources.size;
  const found: readonly SourceProblem[] = [
    ...content.problems,
    ...buildModel(content.resources, settings).problems,
  ];
  const errors = found.filter(({ severity }) => severity === 'error').length;
  const warnings = found.length - errors;
  const report = { valid: errors === 0, resources, errors, warnings, problems: found };
  if (options.output === 'json') terminal.say(JSON.stringify(report, null, 2));
  else if (options.output === 'yaml')
    terminal.say(stringify(report, { aliasDuplicateObjects: false }).trimEnd());
  else {
    for (const problem of found) terminal.say(`${formatProblem(problem, { color: terminal.color })}\n`);
    terminal.say(
      `${count(resources, 'resource')} in force, ${count(errors, 'error')}, ${count(warnings, 'warning')}`,
    );
  }
  return errors === 0 ? 0 : 1;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
