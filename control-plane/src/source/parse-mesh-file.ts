import { createHash } from 'node:crypto';
import { closestName } from '@heddle/common';
import {
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  visit,
  type Document,
} from 'yaml';
import {
  formatFieldPath,
  meshKinds,
  resourceKey,
  type FieldPath,
  type MeshKind,
  type MeshResource,
  type ResourceOrigin,
} from '../model/mesh-resource.js';
import type { ProblemWording, SourceProblem } from '../model/source-problem.js';
import { checkResource } from './check-resource.js';
import { readSecret } from './read-secret.js';
import { schemas } from './schema/index.js';
import { SecretLines } from './secret-lines.js';
import { securityKindOf, standInFor, standInsForText, type StandIn } from './stand-in.js';
import { validateValue } from './validate-resource.js';

/** What a file's text says. */
export interface ParsedMeshFile {
  readonly resources: readonly MeshResource[];
  readonly problems: readonly SourceProblem[];
  /**
   * Keys that stand in the text but whose resources were refused; the last good versions of them stay. `unreadable` says
   * that the text could not be read so far that all of its keys are known.
   */
  readonly refused: ReadonlySet<string>;
  readonly unreadable: boolean;
  /** For security policies among what was refused or could not be read; in force while there is no good version of them. */
  readonly standIns: readonly StandIn[];
}

/** How many documents, and resources in `kind: List`, one file may hold. */
const maxDocuments = 5_000;
/** Collections that aliases may expand to; more is an attack or a mistake. */
const maxAliases = 100;
/** Deeper nesting than any resource has, and shallower than what exhausts the stack. */
const maxNesting = 1_000;
/** Lists in lists may stand in one line. The parser's work (and memory, beyond all bounds) grows with the indentation. */
const maxIndent = 1_000;

/**
 * Reads YAML or JSON text (JSON is YAML) into resources, with every mistake in its place.
 *
 * Errors: none, whatever the text is.
 */
export function parseMeshFile(source: string, file: string): ParsedMeshFile {
  const reader = new DocumentReader(file, source);
  try {
    reader.read();
  } catch (error) {
    // The parser is not ours: whatever it throws is this file's problem alone.
    reader.fail(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  reader.standInForUnread();
  return reader;
}

class DocumentReader implements ParsedMeshFile {
  readonly resources: MeshResource[] = [];
  readonly problems: SourceProblem[] = [];
  readonly refused = new Set<string>();
  readonly standIns: StandIn[] = [];
  unreadable = false;

  readonly #file: string;
  readonly #source: string;
  readonly #lines: LineCounter;
  readonly #secrets: SecretLines;
  #count = 0;
  /** Where documents begin that could be read, whatever became of them. */
  readonly #readAt: number[] = [];

  constructor(file: string, source: string) {
    this.#file = file;
    this.#source = source;
    this.#lines = new LineCounter();
    this.#secrets = new SecretLines(source);
  }

  fail(message: string, offset = 0, expected?: string): void {
    this.unreadable = true;
    const { line, col } = this.#lines.linePos(offset);
    this.#push({ line: Math.max(line, 1), column: Math.max(col, 1) }, '', {
      message,
      ...(expected === undefined ? {} : { expected }),
    });
  }

  read(): void {
    const nesting = deepestFlow(this.#source);
    if (nesting > maxNesting) return this.fail(`is nested ${nesting} deep`, 0, `at most ${maxNesting}`);
    const indent = deepestIndent(this.#source);
    if (indent > maxIndent)
      return this.fail(`has a line that is indented by ${indent}`, 0, `at most ${maxIndent}`);
    const documents = parseAllDocuments(this.#source, {
      lineCounter: this.#lines,
      prettyErrors: false,
      // Checked below: the parser compares each field with all others, which takes minutes for a long list.
      uniqueKeys: false,
      version: '1.2',
      merge: true,
      logLevel: 'silent',
    });
    if (!Array.isArray(documents)) return;
    if (documents.length > maxDocuments) {
      return this.fail(`holds ${documents.length} documents`, 0, `at most ${maxDocuments}`);
    }
    for (const document of documents) this.#readDocument(document);
  }

  /** A security policy may be in what could not be read. */
  standInForUnread(): void {
    if (!this.unreadable) return;
    const starts = [0, ...[...this.#source.matchAll(/^---(?=\s|$)/gm)].map(({ index }) => index)];
    for (const [i, start] of starts.entries()) {
      const end = starts[i + 1] ?? this.#source.length;
      if (this.#readAt.some((at) => at >= start && at < end)) continue;
      // Only line breaks that the parser came to are known to it.
      const line = (this.#source.slice(0, start).match(/\n/g)?.length ?? 0) + 1;
      const origin = { file: this.#file, line, column: 1, lineText: () => undefined };
      const text = this.#source.slice(start, end);
      this.standIns.push(...standInsForText(text, { ...origin, locate: () => ({ line, column: 1 }) }));
    }
  }

  #readDocument(document: Document.Parsed): void {
    // One mistake in the writing upsets what follows: the first error is the one to mend.
    const [error] = document.errors;
    if (error !== undefined) {
      // The parser's own words may repeat what it read.
      const message = this.#secrets.holds(this.#lines.linePos(error.pos[0]).line) ? '' : error.message;
      this.fail(wordYamlError(error.code, message), error.pos[0]);
    }
    if (document.errors.length > 0) return;
    const twice = repeatedField(document);
    if (twice !== undefined) return this.fail('a field stands twice in one object', twice);
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: maxAliases });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const unknown = /^Unresolved alias[^:]*: (.+)$/.exec(message)?.[1];
      const start = document.contents?.range[0] ?? 0;
      if (unknown !== undefined) {
        const at = Math.max(0, this.#source.indexOf(`*${unknown}`));
        if (this.#secrets.holds(this.#lines.linePos(at).line))
          return this.fail('an alias names nothing', start, 'an anchor before it');
        return this.fail(`the alias *${unknown} names nothing`, at, `an anchor &${unknown} before it`);
      }
      if (!/alias/i.test(message)) return this.fail(message, start);
      return this.fail(
        'its aliases (*name) expand to too much',
        start,
        `aliases that repeat at most ${maxAliases} collections`,
      );
    }
    this.#readAt.push(document.contents?.range[0] ?? 0);
    if (value === null || value === undefined) return;
    this.#readValue(value, this.#originOf(document, []), []);
  }

  #readValue(value: unknown, origin: ResourceOrigin, at: FieldPath): void {
    if (++this.#count > maxDocuments) {
      if (this.#count === maxDocuments + 1) this.fail(`holds more than ${maxDocuments} resources`);
      return;
    }
    if (!isObject(value)) {
      this.unreadable = true;
      return this.#problem(origin, [], {
        message: 'this is no resource',
        expected: 'an object with apiVersion, kind and metadata',
      });
    }
    const { kind, apiVersion } = value;
    if (kind === 'List' && Array.isArray(value['items'])) {
      value['items'].forEach((item, i) =>
        this.#readValue(item, nested(origin, ['items', i]), [...at, 'items', i]),
      );
      return;
    }
    const meshKind = this.#kindOf(value, origin);
    if (meshKind === undefined) {
      // Which resource this was meant to be is not known, so nothing of this file may be taken for removed.
      this.unreadable = true;
      const suggested = typeof kind === 'string' ? closestName(kind, kindNames) : undefined;
      this.#standIn(securityKindOf(kind, apiVersion, suggested), value, origin);
      return;
    }
    const metadata = isObject(value['metadata']) ? value['metadata'] : {};
    const name = typeof metadata['name'] === 'string' ? metadata['name'] : undefined;
    const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : 'default';
    const shape = validateValue(schemas[meshKind], value);
    const secret = meshKind === 'Secret' ? readSecret(value) : undefined;
    if (secret !== undefined && !this.#secrets.holds(origin.line)) this.#secrets.hideAll();
    const spec = secret?.spec ?? value['spec'] ?? {};
    const createdAtMs = createdAtMsOf(metadata['creationTimestamp']);
    const annotations = annotationsOf(metadata['annotations']);
    const resource: MeshResource = {
      key: resourceKey(meshKind, namespace, name ?? ''),
      kind: meshKind,
      apiVersion: apiVersion as string,
      namespace,
      name: name ?? '',
      labels: isObject(metadata['labels']) ? (metadata['labels'] as Record<string, string>) : {},
      annotations,
      createdAtMs,
      spec,
      contentHash: '',
      origin,
    };
    const found = [...shape];
    if (!shape.some(isError)) found.push(...(secret?.problems ?? checkResource(resource)));
    for (const { path, ...wording } of found) this.#problem(origin, path, wording, resource);
    if (found.some(isError)) {
      if (name === undefined) this.unreadable = true;
      else this.refused.add(resource.key);
      this.#standIn(securityKindOf(meshKind, undefined, undefined), value, origin);
      return;
    }
    const contentHash = hashOf([
      meshKind,
      resource.labels,
      annotations,
      createdAtMs,
      secret === undefined ? spec : [value['type'], value['data'], value['stringData']],
    ]);
    this.resources.push({ ...resource, contentHash });
  }

  #standIn(
    kind: ReturnType<typeof securityKindOf>,
    value: Readonly<Record<string, unknown>>,
    origin: ResourceOrigin,
  ): void {
    const standIn = kind === undefined ? undefined : standInFor(kind, value, origin);
    if (standIn !== undefined) this.standIns.push(standIn);
  }

  #kindOf(value: Readonly<Record<string, unknown>>, origin: ResourceOrigin): MeshKind | undefined {
    const { kind, apiVersion } = value;
    const misspelt = (field: string): string | undefined => closestName(field, Object.keys(value));
    for (const field of ['apiVersion', 'kind']) {
      if (Object.hasOwn(value, field)) continue;
      const near = misspelt(field);
      this.#problem(origin, near === undefined ? [] : [near], {
        message: near === undefined ? `the document lacks "${field}"` : `unknown field "${near}"`,
        expected: 'an object with apiVersion, kind and metadata',
        suggestion: near === undefined ? undefined : field,
        at: 'key',
      });
    }
    if (kind === undefined || apiVersion === undefined) return undefined;
    const versions = kindsAndVersions.filter((entry) => entry.kind === kind);
    const exact = versions.find((entry) => entry.apiVersion === apiVersion);
    if (exact !== undefined) return exact.meshKind;
    if (versions.length === 0) {
      this.#problem(origin, ['kind'], {
        message: `kind cannot be ${JSON.stringify(kind) ?? ''}`.slice(0, 200),
        expected: `one of ${kindNames.join(', ')}`,
        suggestion: typeof kind === 'string' ? closestName(kind, kindNames) : undefined,
      });
      return undefined;
    }
    this.#problem(origin, ['apiVersion'], {
      message: `apiVersion of ${String(kind)} cannot be ${JSON.stringify(apiVersion) ?? ''}`.slice(0, 200),
      expected: versions.map((entry) => entry.apiVersion).join(' or '),
      suggestion:
        typeof apiVersion === 'string'
          ? closestName(
              apiVersion,
              versions.map((entry) => entry.apiVersion),
            )
          : undefined,
    });
    return undefined;
  }

  #originOf(document: Document.Parsed, base: FieldPath): ResourceOrigin {
    const place = (offset: number): { line: number; column: number } => {
      const { line, col } = this.#lines.linePos(offset);
      return { line: Math.max(line, 1), column: Math.max(col, 1) };
    };
    const start = place(document.contents?.range[0] ?? 0);
    return {
      file: this.#file,
      ...start,
      lineText: (line) => this.#lineText(line),
      locate: (path, key) =>
        place(offsetOf(document, [...base, ...path], key) ?? document.contents?.range[0] ?? 0),
    };
  }

  #lineText(line: number): string | undefined {
    const start = this.#lines.lineStarts[line - 1];
    if (start === undefined) return undefined;
    const end = this.#source.indexOf('\n', start);
    return this.#secrets.shown(line, this.#source.slice(start, end < 0 ? undefined : end).replace(/\r$/, ''));
  }

  #problem(origin: ResourceOrigin, path: FieldPath, wording: ProblemWording, resource?: MeshResource): void {
    const owner =
      resource === undefined || resource.name === ''
        ? undefined
        : { kind: resource.kind, namespace: resource.namespace, name: resource.name };
    this.#push(origin.locate(path, wording.at), formatFieldPath(path), wording, owner);
  }

  #push(
    place: { readonly line: number; readonly column: number },
    field: string,
    wording: ProblemWording,
    resource?: SourceProblem['resource'],
  ): void {
    const lineText = this.#lineText(place.line);
    this.problems.push({
      severity: wording.severity ?? 'error',
      file: this.#file,
      line: place.line,
      column: place.column,
      ...(lineText === undefined ? {} : { lineText }),
      ...(resource === undefined ? {} : { resource }),
      field,
      message: wording.message,
      ...(wording.expected === undefined ? {} : { expected: wording.expected }),
      ...(wording.suggestion === undefined ? {} : { suggestion: wording.suggestion }),
    });
  }
}

/** Every pair of kind and apiVersion as users write them. */
const kindsAndVersions = (Object.keys(meshKinds) as MeshKind[]).flatMap((meshKind) =>
  meshKinds[meshKind].map((apiVersion) => ({
    meshKind,
    apiVersion: apiVersion as string,
    kind: meshKind === 'KubernetesGateway' ? 'Gateway' : (meshKind as string),
  })),
);

const kindNames = [...new Set(kindsAndVersions.map((entry) => entry.kind))];

/** What tools write beside them (the last applied text, say) would make every resource look changed. */
function annotationsOf(written: unknown): Readonly<Record<string, string>> {
  if (!isObject(written)) return {};
  return Object.fromEntries(
    Object.entries(written).filter(
      (entry): entry is [string, string] =>
        typeof entry[1] === 'string' && /^(heddle\.dev|([\w-]+\.)*istio\.io)\//.test(entry[0]),
    ),
  );
}

/** 0 for what is no time. */
function createdAtMsOf(written: unknown): number {
  const ms = typeof written === 'string' ? Date.parse(written) : NaN;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

function nested(origin: ResourceOrigin, base: FieldPath): ResourceOrigin {
  const { line, column } = origin.locate(base);
  return { ...origin, line, column, locate: (path, key) => origin.locate([...base, ...path], key) };
}

/** Where a field starts in the text; where it is absent, its nearest parent. */
function offsetOf(document: Document.Parsed, path: FieldPath, key: 'key' | undefined): number | undefined {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0];
  for (const [i, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      if (pair === undefined || !isPair(pair)) return offset;
      const keyRange = isNode(pair.key) ? pair.key.range : undefined;
      const valueRange = isNode(pair.value) ? pair.value.range : undefined;
      const own = key === 'key' && i === path.length - 1 ? keyRange : (valueRange ?? keyRange);
      // A block that starts on a later line is better pointed at by its name.
      offset = own?.[0] ?? offset;
      if (isMap(pair.value) && i === path.length - 1 && keyRange != null && !pair.value.flow)
        offset = keyRange[0];
      node = pair.value;
    } else if (isSeq(node)) {
      const item: unknown = typeof part === 'number' ? node.items[part] : undefined;
      if (item === undefined) return offset;
      if (isNode(item)) offset = item.range?.[0] ?? offset;
      node = item;
    } else {
      return offset;
    }
  }
  return offset;
}

function isError(problem: { readonly severity?: 'error' | 'warning' }): boolean {
  return problem.severity !== 'warning';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON-like texts may nest without indenting; the parser recurses, so depth is counted before. Strings may only add to it. */
function deepestFlow(source: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < source.length; i++) {
    const code = source.charCodeAt(i);
    if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if ((code === 0x7d || code === 0x5d) && depth > 0) depth--;
  }
  return deepest;
}

/** Where a field stands for the second time in its object. */
function repeatedField(document: Document.Parsed): number | undefined {
  let found: number | undefined;
  visit(document, {
    Map: (_, node) => {
      const seen = new Set<unknown>();
      for (const { key } of node.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value) && key.value !== '<<') {
          found = key.range?.[0] ?? 0;
          return visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}

/** The widest start of a line: blanks, and what opens a list entry, a complex key or a node (`- `, `? `, `: `, `&a `, `!t `). */
function deepestIndent(source: string): number {
  const start = /^(?:[ \t]+|[-?:](?=[ \t])|[&!][^\s]*(?=[ \t]))*/gm;
  let deepest = 0;
  for (let at = 0; at <= source.length;) {
    start.lastIndex = at;
    const match = start.exec(source);
    if (match === null) break;
    deepest = Math.max(deepest, match[0].length);
    const end = source.indexOf('\n', match.index + match[0].length);
    if (end < 0) break;
    at = end + 1;
  }
  return deepest;
}

function wordYamlError(code: string, message: string): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'a tab is used for indentation; YAML takes spaces';
    case 'BAD_INDENT':
      return 'the indentation does not fit the lines around it';
    case 'MISSING_CHAR':
      if (/quote/.test(message)) return 'a closing quote is missing';
      return message === '' ? 'a character is missing' : lowerFirst(message);
    default:
      return message === ''
        ? `this is not valid YAML (${code})`
        : `this is not valid YAML: ${lowerFirst(message)}`;
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** A hash that does not depend on the order of fields. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('base64url').slice(0, 22);
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`).join(',')}}`;
}
