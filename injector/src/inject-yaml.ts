import {
  Document,
  LineCounter,
  Scalar,
  isMap,
  isNode,
  isSeq,
  parseAllDocuments,
  visit,
  type Node,
  type YAMLMap,
} from 'yaml';
import { InjectInputError, PodInjectionError } from './errors.js';
import { injectResource, type InjectResourceOptions, type ResourceResult } from './inject-resource.js';
import { type InjectorConfig } from './injector-config.js';
import { pointerTokens, type JsonPatchOperation } from './json-patch.js';
import { jsonEquals } from './json-value.js';
import { yamlLine } from './yaml-line.js';

export interface InjectedYaml {
  readonly text: string;
  /** `line`: where the document starts. */
  readonly results: readonly (ResourceResult & { readonly line: number })[];
  /** About the text as a whole. */
  readonly warnings: readonly string[];
}

const MAX_CHARACTERS = 16 * 1024 * 1024;
const MAX_DOCUMENTS = 10_000;

/**
 * Adds the sidecar to every pod that a file of resources makes, YAML documents or JSON.
 *
 * Shape: documents that nothing is added to stay as they are written, to the byte; in the others comments and order
 * stay, and only the layout may change. Pure.
 * Errors: InjectInputError where the text cannot be read, PodInjectionError with every problem of every pod, each
 * beginning with its line.
 */
export function injectYaml(
  text: string,
  config: InjectorConfig,
  options: InjectResourceOptions = {},
): InjectedYaml {
  if (text.length > MAX_CHARACTERS)
    throw new InjectInputError(`the text is longer than ${MAX_CHARACTERS} characters`);
  const asJson = parsedJson(text);
  if (asJson !== undefined) return injectJson(asJson, text, config, options);
  const lines = new LineCounter();
  const documents = documentsOf(text, lines);
  const results: InjectedYaml['results'][number][] = [];
  const warnings: string[] = [];
  const problems: string[] = [];
  const written: string[] = [];
  let start = 0;
  for (const document of documents) {
    const end = document.range[2];
    const source = text.slice(start, end);
    const line = lines.linePos(document.contents?.range?.[0] ?? document.range[0]).line;
    start = end;
    try {
      const { changed, results: ofDocument } = injectDocument(
        document,
        config,
        options,
        source,
        line,
        warnings,
      );
      results.push(...ofDocument.map((result) => ({ ...result, line })));
      const next = changed === undefined ? source : changed;
      // A document that is written anew brings no line break along from the one before.
      const joins = (written.at(-1) ?? '\n').endsWith('\n') || next.startsWith('\n');
      if (next !== '') written.push(joins ? next : `\n${next}`);
    } catch (error) {
      if (error instanceof InjectInputError) throw new InjectInputError(`line ${line}: ${error.message}`);
      if (!(error instanceof PodInjectionError)) throw error;
      problems.push(...withLines(error, document, lines));
    }
  }
  if (problems.length > 0) throw new PodInjectionError(problems);
  return { text: written.join('') + text.slice(start), results, warnings };
}

function injectJson(
  value: unknown,
  text: string,
  config: InjectorConfig,
  options: InjectResourceOptions,
): InjectedYaml {
  try {
    const { resource, results, patch } = injectResource(value, config, options);
    return {
      text: patch.length === 0 ? text : `${JSON.stringify(resource, null, 2)}\n`,
      results: results.map((result) => ({ ...result, line: 1 })),
      warnings: [],
    };
  } catch (error) {
    if (!(error instanceof PodInjectionError)) throw error;
    // JSON is YAML, too, which knows its lines.
    const lines = new LineCounter();
    const [document] = documentsOf(text, lines);
    throw document === undefined ? error : new PodInjectionError(withLines(error, document, lines));
  }
}

function withLines(
  { problems, places }: PodInjectionError,
  document: Document.Parsed,
  lines: LineCounter,
): readonly string[] {
  return problems.map((problem, i) => `line ${yamlLine(document, lines, places[i] ?? []) ?? 1}: ${problem}`);
}

function injectDocument(
  document: Document.Parsed,
  config: InjectorConfig,
  options: InjectResourceOptions,
  source: string,
  line: number,
  warnings: string[],
): { readonly changed: string | undefined; readonly results: readonly ResourceResult[] } {
  const value: unknown = asJavaScript(document);
  // A document of comments alone is left out by everyone.
  if (value === null || value === undefined) return { changed: undefined, results: [] };
  const { resource, patch, results } = injectResource(value, config, options);
  if (patch.length === 0) return { changed: undefined, results };
  const layout = {
    lineWidth: 0,
    indentSeq: indentsLists(source),
    flowCollectionPadding: !/[[{][^\s\]}]/.test(source),
  };
  if (!hasAliases(document)) {
    for (const operation of patch) applyToDocument(document, operation);
    const text = document.toString(layout);
    if (jsonEquals(readBack(text), resource)) return { changed: text, results };
  }
  // An alias shares what it stands for with another place, which must not change along.
  warnings.push(`line ${line}: written anew without comments and anchors`);
  const anew = new Document(resource, { aliasDuplicateObjects: false });
  quoteAmbiguous(anew);
  anew.directives = document.directives;
  return { changed: anew.toString(layout), results };
}

function documentsOf(text: string, lines: LineCounter): readonly Document.Parsed[] {
  const parsed = parseAllDocuments(text, {
    merge: true,
    lineCounter: lines,
    prettyErrors: true,
    // The parser would print warnings itself.
    logLevel: 'error',
  });
  if (!Array.isArray(parsed)) return [];
  if (parsed.length > MAX_DOCUMENTS) throw new InjectInputError(`more than ${MAX_DOCUMENTS} documents`);
  const error = parsed.flatMap(({ errors }) => errors)[0];
  if (error !== undefined) throw new InjectInputError(error.message.trim(), { cause: error });
  return parsed;
}

function asJavaScript(document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new InjectInputError((cause as Error).message, { cause });
  }
}

function readBack(text: string): unknown {
  const [document, ...more] = parseAllDocuments(text, { merge: true, logLevel: 'error' });
  return document === undefined || more.length > 0 || document.errors.length > 0
    ? undefined
    : document.toJS();
}

function parsedJson(text: string): unknown {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // YAML's flow style begins alike
  }
}

function hasAliases(document: Document.Parsed): boolean {
  let found = false;
  visit(document, {
    Alias: () => {
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

/** Whether the writer indents lists below their field; many who write Kubernetes' YAML do not. */
function indentsLists(source: string): boolean {
  let before = '';
  for (const line of source.split('\n')) {
    const item = /^( *)- /.exec(line);
    if (item !== null && before.trimEnd().endsWith(':')) {
      return (item[1] ?? '').length > before.length - before.trimStart().length;
    }
    before = line;
  }
  return true;
}

/** One step of a patch, on the tree that holds the comments. */
function applyToDocument(document: Document.Parsed, operation: JsonPatchOperation): void {
  const tokens = pointerTokens(operation.path);
  const last = tokens.at(-1) ?? '';
  const parentPath = tokens.slice(0, -1);
  const parent = parentPath.length === 0 ? document.contents : document.getIn(parentPath, true);
  if (operation.op === 'remove') {
    document.deleteIn(tokens);
    return;
  }
  const node = document.createNode(operation.value, { aliasDuplicateObjects: false });
  quoteAmbiguous(node);
  if (operation.op === 'add' && isSeq(parent)) parent.items.splice(Number(last), 0, node);
  else if (isMap(parent)) setKeepingComment(parent, last, node);
  else document.setIn(tokens, node);
}

function setKeepingComment(parent: YAMLMap, name: string, node: Node): void {
  const before: unknown = parent.get(name, true);
  if (isNode(before)) {
    node.comment = before.comment ?? null;
    node.commentBefore = before.commentBefore ?? null;
  }
  // `{}` was short because nothing was in it.
  if (parent.items.length === 0) parent.flow = false;
  parent.set(name, node);
}

/** What YAML 1.1, which Kubernetes' tools read, would not take as a string. */
const AMBIGUOUS = /^(|y|n|yes|no|on|off|true|false|null|~|[-+]?[\d.][-+\d.:_a-fox]*)$/i;

function quoteAmbiguous(root: Node | Document): void {
  visit(root, {
    Scalar: (_, scalar) => {
      if (typeof scalar.value === 'string' && AMBIGUOUS.test(scalar.value)) scalar.type = Scalar.QUOTE_DOUBLE;
    },
  });
}
