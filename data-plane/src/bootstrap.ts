import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { MeshError } from '@heddle/common';
import { envoy } from '@heddle/xds-protos';
import type { BootstrapConfig } from './bootstrap/bootstrap-config.js';
import type { CommandLine } from './bootstrap/command-line.js';
import type { ConfigDocument } from './bootstrap/config-document.js';
import { dnsConfigOf } from './dns/dns-config.js';
import { identityConfigOf } from './bootstrap/identity-config.js';
import { translateBootstrap } from './bootstrap/translate-bootstrap.js';
import { PRODUCT_NAME, VERSION, versionNumbers } from './version.js';

export type { AdsConfig, AdsTarget, BootstrapConfig } from './bootstrap/bootstrap-config.js';

/** A larger bootstrap is refused before it is parsed. */
const MAX_BOOTSTRAP_BYTES = 64 * 1024 * 1024;
const DRAIN_TIME_MS = 600_000;
/** Covers Envoy's default route timeout of 15 s, and ends before Kubernetes kills after 30 s. */
const SIGNAL_DRAIN_TIME_MS = 25_000;

/** One thing wrong with the bootstrap, in its place. */
export interface BootstrapProblem {
  readonly file: string;
  /** From 1; undefined where it is not known. */
  readonly line: number | undefined;
  readonly path: string;
  readonly message: string;
}

/** The bootstrap cannot be used; `problems` holds everything that is wrong with it. */
export class BootstrapError extends MeshError {
  override readonly code = 'MESH_BOOTSTRAP';
  readonly problems: readonly BootstrapProblem[];

  constructor(problems: readonly BootstrapProblem[]) {
    super(problems.map(formatBootstrapProblem).join('\n'));
    this.problems = problems;
  }
}

/** `file:line: path: message`, as compilers write it. */
export function formatBootstrapProblem(problem: BootstrapProblem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  return `${place}: ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`;
}

/** One text of a bootstrap, and what it is called. */
export interface ConfigText {
  readonly file: string;
  readonly text: string;
}

/**
 * Reads and translates the bootstrap that the command line names. This and nothing else reads the environment. `texts`: where it
 * was read already.
 *
 * Errors: BootstrapError with every problem.
 */
export async function loadBootstrap(
  commandLine: CommandLine,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  texts: readonly ConfigText[] = readBootstrapTexts(commandLine),
): Promise<BootstrapConfig> {
  const { value, documents } = await parseTexts(texts);
  const { bootstrap, findings } = translateBootstrap(value);
  const { identity, problems: identityProblems } = identityConfigOf(
    commandLine.identity,
    bootstrap?.message.node ?? null,
  );
  for (const { path, message } of identityProblems) findings.problem(path, message);
  const { dns, problems: dnsProblems } = dnsConfigOf(bootstrap?.message.node ?? null);
  for (const { path, message } of dnsProblems) findings.problem(path, message);
  if (
    bootstrap?.ads?.target.security === 'identity' &&
    identity === undefined &&
    identityProblems.length === 0
  ) {
    findings.problem(
      'node.metadata.HEDDLE_CA_ADDRESS',
      '(or --ca-address) is missing: the control plane is reached over TLS, for which this proxy needs an identity',
    );
  }
  if (findings.problems.length > 0 || bootstrap === undefined) {
    const located = await locator(texts, documents);
    const problems = findings.problems.map((problem) => ({ ...located(problem.path), ...problem }));
    throw new BootstrapError(problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)));
  }
  const { message } = bootstrap;
  const node = nodeOf(message.node, commandLine);
  const encoded = Buffer.from(envoy.config.bootstrap.v3.Bootstrap.encode(message).finish());
  const fromMetadata = message.node?.metadata?.fields['HEDDLE_STATE_DIR']?.stringValue;
  return Object.freeze({
    node,
    adminAddress: bootstrap.adminAddress,
    listeners: bootstrap.listeners,
    clusters: bootstrap.clusters,
    secrets: bootstrap.secrets,
    upstreamBind: bootstrap.upstreamBind,
    overload: bootstrap.overload,
    runtime: bootstrap.runtime,
    ads: bootstrap.ads,
    logLevel: commandLine.logLevel,
    adminAddressPath: commandLine.adminAddressPath,
    drainTimeMs: commandLine.drainTimeMs ?? DRAIN_TIME_MS,
    signalDrainTimeMs: commandLine.drainTimeMs ?? SIGNAL_DRAIN_TIME_MS,
    stateDirectory: commandLine.stateDirectory ?? (fromMetadata || undefined),
    identity,
    dns,
    maxSeries: commandLine.maxSeries,
    formatContext: Object.freeze({
      hostname: hostname(),
      environment: (name: string) => environment[name],
    }),
    source: Object.freeze({
      // As bytes it takes a fraction of the memory; only the admin pages ask for it.
      get bootstrap(): envoy.config.bootstrap.v3.Bootstrap {
        return envoy.config.bootstrap.v3.Bootstrap.decode(encoded);
      },
      configPath: commandLine.configPath ?? '',
      configYaml: commandLine.configYaml ?? '',
      concurrency: commandLine.concurrency,
      baseId: commandLine.baseId,
    }),
    warnings: Object.freeze([
      ...commandLine.notices,
      ...findings.warnings.map((warning) => `${warning.path}: ${warning.message}`),
    ]),
  });
}

/** What the command line names, read. Errors: BootstrapError where a file cannot be read. */
export function readBootstrapTexts(commandLine: CommandLine): readonly ConfigText[] {
  const texts: ConfigText[] = [];
  const file = commandLine.configPath;
  if (file !== undefined) {
    let bytes: Buffer;
    try {
      bytes = readFileSync(file);
    } catch (cause) {
      throw refused(file, undefined, `cannot be read: ${(cause as Error).message}`);
    }
    if (bytes.length > MAX_BOOTSTRAP_BYTES) {
      throw refused(file, undefined, `is larger than ${MAX_BOOTSTRAP_BYTES} bytes`);
    }
    texts.push({ file, text: bytes.toString('utf8') });
  }
  if (commandLine.configYaml !== undefined)
    texts.push({ file: '--config-yaml', text: commandLine.configYaml });
  return texts;
}

/** JSON is read without the YAML parser, which would cost a small sidecar some megabytes. */
async function parseTexts(
  texts: readonly ConfigText[],
): Promise<{ readonly value: unknown; readonly documents: Map<ConfigText, ConfigDocument> }> {
  const documents = new Map<ConfigText, ConfigDocument>();
  const problems: BootstrapProblem[] = [];
  let value: unknown;
  for (const text of texts) {
    let part = parsedJson(text.text);
    if (part === undefined) {
      const document = await documentOf(text, documents);
      for (const problem of document.problems) problems.push({ file: text.file, path: '', ...problem });
      part = document.value ?? {};
    }
    value = value === undefined ? part : merge(value, part);
  }
  if (problems.length > 0) throw new BootstrapError(problems);
  return { value, documents };
}

function parsedJson(text: string): unknown {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // YAML's flow style begins alike, and says better where a mistake is
  }
}

async function documentOf(
  text: ConfigText,
  documents: Map<ConfigText, ConfigDocument>,
): Promise<ConfigDocument> {
  let document = documents.get(text);
  if (document === undefined) {
    const { parseConfigDocument } = await import('./bootstrap/config-document.js');
    document = parseConfigDocument(text.text);
    documents.set(text, document);
  }
  return document;
}

/** Says in which text, and where in it, a path is. With two texts the merged lists cannot be told apart. */
async function locator(
  texts: readonly ConfigText[],
  documents: Map<ConfigText, ConfigDocument>,
): Promise<(path: string) => { readonly file: string; readonly line: number | undefined }> {
  const [only, ...more] = texts;
  if (only === undefined || more.length > 0) {
    return () => ({ file: texts.map((text) => text.file).join(' with '), line: undefined });
  }
  const document = await documentOf(only, documents);
  return (path) => ({ file: only.file, line: document.lineOf(path) });
}

/** As protobuf merges: messages by field, lists appended, the later scalar wins. */
function merge(into: unknown, from: unknown): unknown {
  if (Array.isArray(into) && Array.isArray(from)) return [...(into as unknown[]), ...(from as unknown[])];
  if (!isObject(into) || !isObject(from)) return from;
  const merged = new Map(Object.entries(into));
  for (const [name, value] of Object.entries(from)) {
    merged.set(name, merged.has(name) ? merge(merged.get(name), value) : value);
  }
  return Object.fromEntries(merged);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function nodeOf(
  given: envoy.config.core.v3.Node | null,
  commandLine: CommandLine,
): envoy.config.core.v3.Node {
  const { Node } = envoy.config.core.v3;
  return Node.create({
    ...(given ?? {}),
    ...(commandLine.serviceNode === '' ? {} : { id: commandLine.serviceNode }),
    ...(commandLine.serviceCluster === '' ? {} : { cluster: commandLine.serviceCluster }),
    ...(commandLine.serviceZone === ''
      ? {}
      : { locality: { ...(given?.locality ?? {}), zone: commandLine.serviceZone } }),
    userAgentName: PRODUCT_NAME,
    userAgentVersion: null,
    userAgentBuildVersion: {
      version: versionNumbers(),
      metadata: { fields: { 'build.version': { stringValue: VERSION } } },
    },
    clientFeatures: ['xds.config.resource-in-sotw'],
  });
}

function refused(file: string, line: number | undefined, message: string): BootstrapError {
  return new BootstrapError([{ file, line, path: '', message }]);
}
