import type { ProblemView, ResourceSummary, ResourcesView } from '@heddle/control-plane/dashboard-api';
import { h, type Child } from './element.js';
import { quantity } from './format.js';
import { sign } from './graph-page.js';
import { resourcePath } from './paths.js';

/** A resource as the API gives it for reading. */
export interface ReadableResource {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly yaml: string;
  /** With the line of `yaml` that each is about; 0: none. */
  readonly problems: readonly (ProblemView & { readonly yamlLine: number })[];
}

/** Everything that is in force, and every mistake. */
export function resourcesPage(
  { resources, problems, leftOut }: ResourcesView,
  selected: readonly string[],
  opened: ReadableResource | 'loading' | 'absent' | undefined,
  search: string,
): Child {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const kinds = new Map<string, ResourceSummary[]>();
  for (const resource of resources) {
    const text = `${resource.kind} ${resource.namespace}/${resource.name}`.toLowerCase();
    if (!text.includes(search.toLowerCase())) continue;
    kinds.set(resource.kind, [...(kinds.get(resource.kind) ?? []), resource]);
  }
  return [
    h(
      'div',
      { class: 'page-head', 'data-key': 'head' },
      h('h1', {}, 'Resources'),
      h(
        'p',
        { class: 'lead' },
        problems.length === 0
          ? `${resources.length} in force, and nothing to complain about.`
          : `${resources.length} in force; ${quantity(errors, 'error')} and ${quantity(problems.length - errors, 'warning')}.`,
      ),
    ),
    problems.length === 0
      ? null
      : h(
          'section',
          { class: 'panel', 'data-key': 'problems' },
          h('h2', {}, 'Findings'),
          h('ul', { class: 'findings' }, ...problems.map((problem) => finding(problem, true))),
        ),
    h(
      'div',
      { class: 'columns', 'data-key': 'columns' },
      h(
        'nav',
        { class: 'panel list', 'aria-label': 'Resources', 'data-key': 'list' },
        h('input', {
          type: 'search',
          'data-action': 'search',
          placeholder: 'Search',
          'aria-label': 'Search resources',
        }),
        ...[...kinds]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([kind, own]) =>
            h(
              'div',
              { 'data-key': kind },
              h('h3', {}, kind),
              h(
                'ul',
                {},
                ...own.map((resource) => {
                  const isOpen = selected.join('/') === `${kind}/${resource.namespace}/${resource.name}`;
                  return h(
                    'li',
                    { 'data-key': `${kind}/${resource.namespace}/${resource.name}` },
                    h(
                      'a',
                      {
                        href: resourcePath(kind, resource.namespace, resource.name),
                        'aria-current': isOpen && 'true',
                      },
                      resource.errors > 0 ? sign('bad') : resource.warnings > 0 ? sign('warning') : null,
                      resource.namespace === 'default'
                        ? resource.name
                        : `${resource.namespace}/${resource.name}`,
                    ),
                  );
                }),
              ),
            ),
          ),
        leftOut === 0 ? null : h('p', { class: 'muted' }, `${leftOut} more are not shown.`),
      ),
      h('section', { class: 'panel detail', 'data-key': 'detail', 'aria-live': 'polite' }, detail(opened)),
    ),
  ];
}

function detail(opened: ReadableResource | 'loading' | 'absent' | undefined): Child {
  if (opened === undefined) return h('p', { class: 'muted' }, 'Choose a resource to read it.');
  if (opened === 'loading') return h('p', { class: 'muted' }, 'One moment …');
  if (opened === 'absent') return h('p', { class: 'muted' }, 'This resource is not in force any more.');
  const marked = new Map(opened.problems.map((problem) => [problem.yamlLine, problem.severity]));
  return [
    h('h2', {}, `${opened.kind} ${opened.namespace}/${opened.name}`),
    h('p', { class: 'muted small mono' }, `${opened.file}:${opened.line}`),
    opened.problems.length === 0
      ? null
      : h('ul', { class: 'findings' }, ...opened.problems.map((problem) => finding(problem, false))),
    h(
      'pre',
      { class: 'yaml', tabindex: 0, 'aria-label': 'YAML' },
      ...opened.yaml
        .trimEnd()
        .split('\n')
        .map((line, i) => h('span', { class: `line ${marked.get(i + 1) ?? ''}` }, ...yamlLine(line), '\n')),
    ),
  ];
}

/** Names of fields stand out from what they hold. */
function yamlLine(line: string): readonly Child[] {
  const found = /^(\s*(?:- )*)([\w./@$-]+)(:)(.*)$/.exec(line);
  if (found === null) return [line];
  const [, indent = '', key = '', colon = '', rest = ''] = found;
  return [indent, h('span', { class: 'key' }, key), colon, h('span', { class: 'value' }, rest)];
}

function finding(problem: ProblemView, withLink: boolean): HTMLElement {
  const parts = problem.resource?.split('/') ?? [];
  const [kind = '', namespace = '', name = ''] = parts;
  return h(
    'li',
    { class: problem.severity },
    sign(problem.severity === 'error' ? 'bad' : 'warning'),
    h(
      'div',
      {},
      h(
        'p',
        {},
        problem.field === '' ? null : [h('code', {}, problem.field), ' '],
        problem.message,
        problem.expected === undefined ? null : `; expected ${problem.expected}`,
        problem.suggestion === undefined
          ? null
          : [' (did you mean ', h('code', {}, problem.suggestion), '?)'],
      ),
      h(
        'p',
        { class: 'muted small' },
        h(
          'span',
          { class: 'mono' },
          problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`,
        ),
        withLink && parts.length === 3
          ? [' · ', h('a', { href: resourcePath(kind, namespace, name) }, `${kind} ${namespace}/${name}`)]
          : null,
      ),
    ),
  );
}
