import { describeError } from '@heddle/common';
import {
  PodInjectionError,
  injectYaml,
  type InjectResourceOptions,
  type InjectedYaml,
  type InjectorConfig,
} from '@heddle/injector';
import { parseAllDocuments, stringify } from 'yaml';
import type { Terminal } from '../../terminal.js';
import { loadInjectorConfig, type InjectorConfigSource } from './load-injector-config.js';
import { readManifestFiles, type ManifestFile } from './manifest-files.js';

export interface InjectOptions extends InjectorConfigSource {
  /** Files, folders, or `-`. */
  readonly paths: readonly string[];
  readonly stdin: AsyncIterable<Buffer | string>;
  /** Where the pods come to live; undefined: where each resource says. */
  readonly namespace: string | undefined;
  /** Decide as the webhook does for a namespace with these labels; undefined: everything given is to be injected. */
  readonly namespaceLabels: Readonly<Record<string, string>> | undefined;
  /** undefined: as it is written. */
  readonly output: 'yaml' | 'json' | undefined;
  readonly terminal: Terminal;
}

/**
 * `heddle inject`: manifests with the sidecar, on standard output, and what was not injected and why, on the other one.
 * Resolves with the exit code: 1 where anything cannot be injected, and then nothing is printed that could be applied.
 */
export async function runInject(options: InjectOptions): Promise<number> {
  const { terminal, output } = options;
  let config: InjectorConfig;
  let files: readonly ManifestFile[];
  try {
    config = loadInjectorConfig(options);
    files = await readManifestFiles(options.paths, options.stdin);
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
  const injected = files.map((file) => injectFile(file, config, options));
  for (const { remarks } of injected) for (const remark of remarks) terminal.remark(remark);
  const problems = injected.flatMap(({ problems: ofFile }) => ofFile);
  if (problems.length > 0) {
    for (const problem of problems) terminal.error(problem);
    terminal.error('nothing is printed, for not everything can be injected');
    return 1;
  }
  const text = joined(
    injected.flatMap((file) => (file.text.trim() === '' ? [] : [inFormat(file.text, output)])),
  );
  terminal.raw(output === 'json' ? asJson(text) : text);
  const count = (outcome: string): number =>
    injected.flatMap(({ outcomes }) => outcomes).filter((one) => one === outcome).length;
  terminal.remark(`${count('injected')} injected, ${count('skipped')} not injected`);
  return 0;
}

interface InjectedFile {
  readonly text: string;
  readonly outcomes: readonly string[];
  readonly remarks: readonly string[];
  readonly problems: readonly string[];
}

function injectFile(
  { name, text }: ManifestFile,
  config: InjectorConfig,
  { namespace, namespaceLabels }: InjectOptions,
): InjectedFile {
  const resourceOptions: InjectResourceOptions = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(namespaceLabels === undefined ? {} : { namespaceLabels }),
  };
  try {
    const result = injectYaml(text, config, resourceOptions);
    return {
      text: result.text,
      outcomes: result.results.map(({ outcome }) => outcome),
      remarks: remarksOf(name, result),
      problems: [],
    };
  } catch (cause) {
    const problems = cause instanceof PodInjectionError ? cause.problems : [describeError(cause)];
    return {
      text: '',
      outcomes: [],
      remarks: [],
      problems: problems.map((problem) => atPlace(name, problem)),
    };
  }
}

function remarksOf(file: string, { results, warnings }: InjectedYaml): readonly string[] {
  return [
    ...results.flatMap(({ line, kind, namespace, name, skipped, warnings: ofResource }) => {
      const who = `${file}:${line}: ${kind} ${namespace}/${name}`;
      return [
        ...(skipped === undefined ? [] : [`${who} is not injected: ${skipped.detail}`]),
        ...ofResource.map((warning) => `${who}: ${warning}`),
      ];
    }),
    ...warnings.map((warning) => atPlace(file, warning)),
  ];
}

/** `FILE:LINE: …`, as editors and people know it. */
function atPlace(file: string, text: string): string {
  const [, line, rest] = /^line (\d+): (.*)$/s.exec(text) ?? [];
  return line === undefined ? `${file}: ${text}` : `${file}:${line}: ${rest ?? ''}`;
}

function inFormat(text: string, output: InjectOptions['output']): string {
  if (output !== 'yaml' || !text.trimStart().startsWith('{')) return text;
  return documentsIn(text)
    .map((value) => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join('---\n');
}

/** Texts of documents as one; what already begins with the mark of a document keeps its own. */
function joined(texts: readonly string[]): string {
  return texts.reduce((all, text) => {
    if (all === '') return text;
    const before = all.endsWith('\n') ? all : `${all}\n`;
    return /^(---|%)/.test(text) || /(^|\n)---\n$/.test(before) ? before + text : `${before}---\n${text}`;
  }, '');
}

/** One resource as it is, several as a List. */
function asJson(text: string): string {
  const items = documentsIn(text);
  const value = items.length === 1 ? items[0] : { apiVersion: 'v1', kind: 'List', items };
  return `${JSON.stringify(value, null, 2)}\n`;
}

function documentsIn(text: string): readonly unknown[] {
  return parseAllDocuments(text, { merge: true, logLevel: 'error' })
    .map((document) => ('toJS' in document ? (document.toJS() as unknown) : null))
    .filter((value) => value !== null && value !== undefined);
}
