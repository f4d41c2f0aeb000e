import { closestName } from '@heddle/common';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { InjectorConfigError } from './errors.js';
import { LOG_LEVELS, createInjectorConfig, type InjectorConfig } from './injector-config.js';
import { type InterceptionOptions } from './interception-rules/interception-config.js';
import { isJsonObject, isShallow } from './json-value.js';
import { yamlLine } from './yaml-line.js';

type Shape = keyof typeof SCALARS | readonly string[] | { readonly [field: string]: Shape };

const SCALARS = {
  text: { expected: 'a text', fits: isText },
  truth: { expected: 'true or false', fits: (value: unknown) => typeof value === 'boolean' },
  number: { expected: 'a whole number', fits: Number.isSafeInteger },
  texts: {
    expected: 'a list of texts',
    fits: (value: unknown) => Array.isArray(value) && value.every(isText),
  },
  quantities: {
    expected: 'quantities in quotes, such as cpu: "2"',
    fits: (value: unknown) => isJsonObject(value) && Object.values(value).every(isText),
  },
} as const;

/** The sidecar's ports and ids are not among them: containers and listeners have them as well. */
const INTERCEPTION: Readonly<Partial<Record<keyof InterceptionOptions, Shape>>> = {
  dnsCapture: 'truth',
  ipv6: 'truth',
  includeInboundPorts: 'text',
  excludeInboundPorts: 'text',
  includeOutboundPorts: 'text',
  excludeOutboundPorts: 'text',
  includeOutboundIpRanges: 'text',
  excludeOutboundIpRanges: 'text',
  excludeInterfaces: 'text',
  excludeOutboundUids: 'text',
  excludeOutboundGids: 'text',
};

const FIELDS: Readonly<Record<keyof InjectorConfig, Shape>> = {
  image: 'text',
  imagePullPolicy: ['Always', 'IfNotPresent', 'Never'],
  imagePullSecrets: 'texts',
  revision: 'text',
  enabledByDefault: 'truth',
  ignoredNamespaces: 'texts',
  nativeSidecar: 'truth',
  holdApplicationUntilProxyStarts: 'truth',
  interceptionMode: ['REDIRECT', 'TPROXY', 'NONE'],
  interception: INTERCEPTION,
  rewriteAppProbes: 'truth',
  mergeMetrics: 'truth',
  hbone: 'truth',
  resources: { requests: 'quantities', limits: 'quantities' },
  logLevel: LOG_LEVELS,
  drainSeconds: 'number',
  controlPlane: { host: 'text', port: 'number', tls: 'truth' },
  clusterName: 'text',
  meshId: 'text',
  network: 'text',
  trustDomain: 'text',
  clusterDomain: 'text',
  token: { audience: 'text', expirationSeconds: 'number' },
  rootCertificateConfigMap: 'text',
};

const MAX_CHARACTERS = 256 * 1024;

/**
 * Reads the injector's configuration as people write it, YAML or JSON, the same for `heddle inject` and for heddled.
 *
 * Shape: what is left out has its default, also within `controlPlane` and `token`; `image` alone has none.
 * Errors: InjectorConfigError with every problem, each beginning with the line where there is one, and the option's name.
 */
export function parseInjectorConfig(
  text: string,
  overrides: Partial<Pick<InjectorConfig, 'image' | 'revision'>> = {},
): InjectorConfig {
  if (text.length > MAX_CHARACTERS) {
    throw new InjectorConfigError([`the configuration is longer than ${MAX_CHARACTERS} characters`]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true, logLevel: 'error' });
  if (document.errors.length > 0) {
    throw new InjectorConfigError(document.errors.map(({ message }) => message.split('\n')[0] ?? message));
  }
  const place = (path: readonly string[], problem: string): string => {
    const line = path.length === 0 ? undefined : yamlLine(document, lines, path);
    const field = path.join('.');
    return `${line === undefined ? '' : `line ${line}: `}${field === '' ? '' : `${field}: `}${problem}`;
  };
  const problems: string[] = [];
  const given = valueOf(document);
  checkObject(given, FIELDS, [], (path, problem) => problems.push(place(path, problem)));
  const value = { ...(given as Partial<InjectorConfig>), ...overrides };
  if (value.image === undefined) {
    problems.push('image: is missing: which image holds heddle-proxy and heddle-iptables?');
  }
  if (problems.length > 0 || value.image === undefined) throw new InjectorConfigError(problems);
  try {
    return createInjectorConfig({ ...value, image: value.image });
  } catch (error) {
    if (!(error instanceof InjectorConfigError)) throw error;
    throw new InjectorConfigError(
      error.problems.map((problem) => {
        const [field = '', ...rest] = problem.split(': ');
        return place(field.split('.'), rest.join(': '));
      }),
    );
  }
}

function valueOf(document: Document.Parsed): unknown {
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new InjectorConfigError([(cause as Error).message]);
  }
  if (!isShallow(value)) throw new InjectorConfigError(['the configuration is nested too deeply']);
  return value ?? {};
}

type Report = (path: readonly string[], problem: string) => void;

function checkObject(
  value: unknown,
  fields: Readonly<Record<string, Shape>>,
  path: readonly string[],
  report: Report,
): void {
  if (!isJsonObject(value)) {
    report(path, `expected fields: ${Object.keys(fields).join(', ')}`);
    return;
  }
  for (const [name, item] of Object.entries(value)) {
    const shape = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (shape === undefined) {
      const close = closestName(name, Object.keys(fields));
      report([...path, name], `is not known${close === undefined ? '' : `: did you mean ${close}?`}`);
    } else checkValue(item, shape, [...path, name], report);
  }
}

function checkValue(value: unknown, shape: Shape, path: readonly string[], report: Report): void {
  if (typeof shape === 'object' && !isChoices(shape)) {
    checkObject(value, shape, path, report);
  } else if (typeof shape === 'object') {
    if (typeof value !== 'string' || !shape.includes(value)) {
      const close = typeof value === 'string' ? closestName(value, shape) : undefined;
      const hint = close === undefined ? `expected ${shape.join(', ')}` : `did you mean ${close}?`;
      report(path, `${quote(value)} is not known: ${hint}`);
    }
  } else if (!SCALARS[shape].fits(value)) {
    report(path, `expected ${SCALARS[shape].expected}, found ${quote(value)}`);
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isChoices(shape: Shape): shape is readonly string[] {
  return Array.isArray(shape);
}

function quote(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 100);
}
