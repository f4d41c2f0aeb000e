import type {
  ConfigOrigin,
  ExplainedMeshWay,
  MeshExplanation,
  RequestToExplain,
} from '@heddle/control-plane';
import type { ExplainedFilter, ExplainedForward, RequestExplanation } from '@heddle/engine';
import { table } from '../../terminal.js';

/** An explanation for people. `shown` makes a file's name shorter. */
export function explanationLines(
  request: RequestToExplain,
  explanation: MeshExplanation,
  shown: (file: string) => string = (file) => file,
): readonly string[] {
  const { from, to, outbound, refused } = explanation;
  const place = (origin: ConfigOrigin | undefined): string =>
    origin === undefined ? '' : `${origin.resource} (${shown(origin.file)}:${origin.line})`;
  const context: Context = { explanation, place };
  return [
    `${request.method} ${urlText(request.url)}`,
    '',
    `From ${from.namespace}/${from.workload}, through its ${from.role === 'gateway' ? 'listeners' : 'sidecar'}, to ${to.destinationIp}:${to.destinationPort}`,
    ...indented(connectionLines(outbound)),
    ...indented(routeLines(context)),
    ...outbound.ways.flatMap((way) => ['', ...wayLines(way, request, context)]),
    ...(refused.length === 0 ? [] : ['', 'The proxy would refuse:', ...indented(refused)]),
  ];
}

/** A URL as it was given. */
export function urlText({ scheme, authority, path }: RequestToExplain['url']): string {
  return `${scheme}://${authority}${path}`;
}

interface Context {
  readonly explanation: MeshExplanation;
  readonly place: (origin: ConfigOrigin | undefined) => string;
}

function connectionLines(one: RequestExplanation): readonly string[] {
  if (one.listener === undefined) return ['no listener takes the connection: it is refused'];
  const head = [['listener', one.listener]];
  if (one.filterChain === undefined)
    return [...table(head), 'no filter chain is for this connection: it is closed'];
  head.push([
    'filter chain',
    `${one.filterChain.name || 'the only one'}${one.filterChain.tls ? ', TLS' : ''}`,
  ]);
  for (const { name, text, refuses, details } of one.connectionFilters)
    head.push([name, refuses ? `closes the connection: ${text} (${details})` : text]);
  for (const { cluster, share } of one.tcp ?? []) head.push(['bytes go to', `${cluster}${shareOf(share)}`]);
  return table(head);
}

function routeLines({ explanation, place }: Context): readonly string[] {
  const { routing, routeConfiguration } = explanation.outbound;
  if (routing === undefined) return [];
  const virtualHost = routing.virtualHost ?? 'none is for this host';
  const rows = routing.routes.map(({ name, path, matched, reason }) => [
    matched ? '✓' : '✗',
    name,
    matched ? path : reason,
    matched ? place(explanation.rule) : '',
  ]);
  return [
    ...table([
      ['routes', routeConfiguration ?? ''],
      ['virtual host', virtualHost],
    ]),
    ...indented(table(rows)),
    ...(routing.outcome === 'no-route' ? ['no route matches'] : []),
    ...(routing.outcome === 'tls-required' ? ['https is demanded'] : []),
  ];
}

function wayLines(way: ExplainedMeshWay, request: RequestToExplain, context: Context): readonly string[] {
  const { share, cluster, filters, forward, answer } = way;
  const title = share < 1 ? [`${percent(share)} of requests`] : [];
  const lines = [...filterLines(filters, context)];
  if (answer !== undefined) lines.push(`answers ${answerText(answer)}`);
  else if (forward !== undefined) {
    lines.push(`→ ${cluster}`);
    lines.push(...indented(forwardLines(way, forward, request, context)));
    for (const arrival of way.arrivals) {
      const { workload, endpoint, principal, explanation } = arrival;
      lines.push(
        `at ${workload} (${endpoint}), ${principal === '' ? 'in plain text' : `as ${principal}`}`,
        ...indented(
          explanation === undefined ? ['no sidecar is known there'] : arrivalLines(explanation, context),
        ),
      );
    }
  }
  return title.length === 0 ? indented(lines) : [...title, ...indented(lines)];
}

function arrivalLines(explanation: RequestExplanation, context: Context): readonly string[] {
  const [way] = explanation.ways;
  return [
    ...connectionLines(explanation),
    ...(way === undefined ? [] : filterLines(way.filters, context)),
    ...(way?.answer === undefined ? [] : [`answers ${answerText(way.answer)}`]),
    ...(way?.forward === undefined || way.answer !== undefined ? [] : [`→ ${way.cluster}`]),
  ];
}

function filterLines(
  filters: readonly ExplainedFilter[],
  { explanation, place }: Context,
): readonly string[] {
  return table(
    filters
      .filter(({ verdict }) => verdict !== 'watches' && verdict !== 'off')
      .map(({ name, verdict, text, answer, rbac }) => [
        name,
        verdict === 'answers' && answer !== undefined ? `${text}: ${answerText(answer)}` : text,
        rbac === undefined ? '' : place(explanation.policies[rbac.policyName]),
      ]),
  );
}

function forwardLines(
  { destinationRule }: ExplainedMeshWay,
  forward: ExplainedForward,
  { url, method, headers }: RequestToExplain,
  { place }: Context,
): readonly string[] {
  const { cluster, timeoutMs, retries } = forward;
  const before = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
  const after = new Map(forward.headers);
  const added = forward.headers.filter(
    ([name, value]) => before.get(name) !== value && !name.startsWith('x-envoy-') && !COMMON.has(name),
  );
  const removed = [...before.keys()].filter((name) => name !== 'host' && !after.has(name));
  const rows = [
    ...(destinationRule === undefined ? [] : [['by', place(destinationRule)]]),
    [
      'request',
      `${method} ${forward.path}, Host ${forward.authority}${forward.path === url.path ? '' : `; was ${url.path}`}`,
    ],
    ...added.map(([name, value]) => ['sets', `${name}: ${value}`]),
    ...removed.map((name) => ['removes', name]),
    ...forward.responseHeaders.map(([name, value]) => ['response sets', `${name}: ${value}`]),
    ...forward.removedResponseHeaders.map((name) => ['response removes', name]),
    ['timeout', timeoutMs === 0 ? 'none' : `${timeoutMs} ms`],
    [
      'retries',
      retries === undefined
        ? 'none'
        : `${retries.attempts} on ${[...retries.on, ...retries.statusCodes].join(', ')}${retries.perTryTimeoutMs === 0 ? '' : `, ${retries.perTryTimeoutMs} ms each`}`,
    ],
    [
      'balancing',
      `${cluster.loadBalancer ?? ''}${cluster.discovery === 'eds' ? '' : ` (${cluster.discovery})`}`,
    ],
    ...cluster.endpoints.map((endpoint, i) => [
      i === 0 ? 'endpoints' : '',
      [
        `${endpoint.address}, ${endpoint.transport}`,
        ...(endpoint.sni === '' ? [] : [`SNI ${endpoint.sni}`]),
        ...(endpoint.locality === '' ? [] : [endpoint.locality]),
        ...(endpoint.priority === 0 ? [] : [`priority ${endpoint.priority}`]),
        ...(endpoint.weight === 1 ? [] : [`weight ${endpoint.weight}`]),
        ...(endpoint.usable ? [] : [endpoint.health]),
        ...(endpoint.chosen ? ['this one, by hash'] : []),
      ].join(', '),
    ]),
  ];
  return table(rows);
}

/** Every request gets these. */
const COMMON: ReadonlySet<string> = new Set(['x-request-id', 'x-forwarded-proto', 'x-forwarded-for']);

function answerText(answer: {
  readonly status: number;
  readonly flag: string | undefined;
  readonly details: string;
  readonly headers: readonly (readonly [string, string])[];
}): string {
  const location = answer.headers.find(([name]) => name === 'location');
  return `${answer.status}${location === undefined ? '' : ` to ${location[1]}`} (${[answer.flag ?? '-', answer.details].join(' ')})`;
}

function shareOf(share: number): string {
  return share === 1 ? '' : `, ${percent(share)}`;
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toFixed(2))} %`;
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => (line === '' ? '' : `  ${line}`));
}
