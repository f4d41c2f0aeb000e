import { relative } from 'node:path';
import { describeError } from '@heddle/common';
import {
  defaultMeshSettings,
  explainMesh,
  folderMesh,
  parseRequestUrl,
  type MeshExplanation,
  type OtherCaller,
  type RequestToExplain,
} from '@heddle/control-plane';
import { stringify } from 'yaml';
import type { Terminal } from '../../terminal.js';
import { checkFolders } from '../check-folders.js';
import { heddledClient, type HeddledAccessOptions } from '../heddled-access.js';
import { readFolders } from '../read-folders.js';
import { explanationLines, urlText } from './explanation-lines.js';

export interface ExplainOptions extends HeddledAccessOptions {
  /** Empty: the mesh that runs. */
  readonly folders: readonly string[];
  readonly rootNamespace: string;
  /** `WORKLOAD`, `WORKLOAD.NAMESPACE` or `NAMESPACE/WORKLOAD`. */
  readonly from: string;
  /** Set: the caller is none of the folder's workloads. */
  readonly as: Pick<OtherCaller, 'labels' | 'serviceAccount'> | undefined;
  readonly method: string;
  readonly url: string;
  /** Each `name: value`. */
  readonly headers: readonly string[];
  readonly via: 'port' | 'http-proxy' | undefined;
  readonly output: 'text' | 'json' | 'yaml';
  readonly clock: { nowMs(): number };
  readonly terminal: Terminal;
}

/** `heddle explain`. Resolves with the exit code: 1 when there is nothing to explain. */
export async function runExplain(options: ExplainOptions): Promise<number> {
  const { terminal } = options;
  let explanation: MeshExplanation;
  let request: RequestToExplain;
  try {
    request = requestOf(options);
    const found =
      options.folders.length > 0
        ? await explainFolders(options, request)
        : await askHeddled(options, request);
    if (found === undefined) return 1;
    explanation = found;
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
  if (options.output === 'json') terminal.say(JSON.stringify(explanation, null, 2));
  else if (options.output === 'yaml')
    terminal.say(stringify(explanation, { aliasDuplicateObjects: false }).trimEnd());
  else {
    const shortened = (file: string): string => {
      const short = relative(process.cwd(), file);
      return file.startsWith('/') && !short.startsWith('..') ? short : file;
    };
    for (const line of explanationLines(request, explanation, shortened)) terminal.say(line);
  }
  return 0;
}

function requestOf({ from, method, url, headers, via }: ExplainOptions): RequestToExplain {
  const parsed = parseRequestUrl(url);
  if (parsed === undefined)
    throw new Error(`${url} is no URL of http or https; expected something like http://reviews:9080/`);
  return {
    from: workloadOf(from),
    method: method.toUpperCase(),
    url: parsed,
    headers: headers.map((header) => {
      const colon = header.indexOf(':');
      if (colon <= 0) throw new Error(`-H ${JSON.stringify(header)}: expected "name: value"`);
      return [header.slice(0, colon).trim(), header.slice(colon + 1).trim()] as const;
    }),
    ...(via === undefined ? {} : { via }),
  };
}

/** As people and proxies' names write it. */
export function workloadOf(text: string): RequestToExplain['from'] {
  const slash = text.indexOf('/');
  if (slash !== -1) return { namespace: text.slice(0, slash), workload: text.slice(slash + 1) };
  const dot = text.indexOf('.');
  return dot === -1
    ? { namespace: 'default', workload: text }
    : { namespace: text.slice(dot + 1), workload: text.slice(0, dot) };
}

async function explainFolders(
  options: ExplainOptions,
  request: RequestToExplain,
): Promise<MeshExplanation | undefined> {
  const { terminal, clock, rootNamespace } = options;
  const folders = checkFolders(options.folders, terminal);
  if (folders === undefined) return undefined;
  const { resources, problems } = await readFolders(folders);
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  if (errors > 0)
    terminal.error(`the folder has errors (${errors}), and what is wrong is left out; see heddle analyze`);
  const other = options.as && { ...options.as, ...request.from };
  const mesh = folderMesh(resources, { ...defaultMeshSettings, rootNamespace }, clock.nowMs(), other);
  const explanation = explainMesh(mesh, request);
  if (!('problem' in explanation)) return explanation;
  const known = [...mesh.model.workloads.values()].map(({ namespace, name }) => `${name}.${namespace}`);
  const gateways = [...mesh.model.gateways.values()].map(({ namespace, name }) => `${name}.${namespace}`);
  const all = [...known, ...gateways];
  terminal.error(
    mesh.proxyOf(request.from.namespace, request.from.workload) !== undefined
      ? explanation.problem
      : `there is no Workload or Gateway ${request.from.workload}.${request.from.namespace} in the folder; ${
          all.length === 0 ? 'there are none' : `--from takes ${all.join(', ')}`
        }; --label and --service-account describe another caller`,
  );
  return undefined;
}

async function askHeddled(options: ExplainOptions, request: RequestToExplain): Promise<MeshExplanation> {
  const { client } = heddledClient(options);
  const { from, url, ...rest } = request;
  const answer = await client.text('POST', '/api/v1/explain', {
    ...rest,
    from: `${from.namespace}/${from.workload}`,
    url: urlText(url),
  });
  return JSON.parse(answer) as MeshExplanation;
}
