import type { envoy } from '@heddle/xds-protos';
import type { Findings } from './findings.js';
import { checkTemplate } from './header-changes.js';
import { enumName, requiredText } from './proto-values.js';
import { inlineText } from './route-answers.js';

/** One object that is put into the filter state. Source: envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue. */
export interface FilterStateValueConfig {
  readonly key: string;
  /** With command operators. */
  readonly format: string;
  /** What stands for what is not known. */
  readonly missing: '-' | '';
  /** Whether connections that are made for the request know it too, and those that are made for these. */
  readonly shared: 'none' | 'once' | 'transitive';
  readonly readOnly: boolean;
  readonly skipIfEmpty: boolean;
}

export function translateFilterStateValues(
  values: readonly envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue[],
  path: string,
  findings: Findings,
): readonly FilterStateValueConfig[] {
  return values.map((value, i) => {
    const at = `${path}[${i}]`;
    return {
      key: requiredText(value.objectKey ?? '', `${at}.object_key`, findings),
      format: formatOf(value.formatString, `${at}.format_string`, findings),
      missing: value.formatString?.omitEmptyValues === true ? '' : '-',
      shared: enumName(
        ['none', 'once', 'transitive'] as const,
        value.sharedWithUpstream,
        `${at}.shared_with_upstream`,
        findings,
      ),
      readOnly: value.readOnly,
      skipIfEmpty: value.skipIfEmpty,
    };
  });
}

function formatOf(
  source: envoy.config.core.v3.SubstitutionFormatString | null,
  path: string,
  findings: Findings,
): string {
  const text =
    source?.format === 'textFormat'
      ? (source.textFormat ?? '')
      : source?.format === 'textFormatSource'
        ? inlineText(source.textFormatSource, `${path}.text_format_source`, findings)
        : undefined;
  if (text === undefined) {
    findings.problem(path, 'text_format_source must be set');
    return '';
  }
  checkTemplate(text, path, findings);
  return text;
}
