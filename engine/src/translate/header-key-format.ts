import { envoy } from '@heddle/xds-protos';
import { typeNameOfUrl } from './any-config.js';
import type { Findings } from './findings.js';

const { PreserveCaseFormatterConfig } = envoy.extensions.http.header_formatters.preserve_case.v3;

/** Whether header names keep the case in which they came. Source: envoy.config.core.v3.Http1ProtocolOptions.header_key_format. */
export function preservesHeaderCase(
  format: envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat | null,
  path: string,
  findings: Findings,
): boolean {
  if (format === null) return false;
  switch (format.headerFormat) {
    case 'properCaseWords':
      findings.warn(`${path}.proper_case_words`, 'is not supported and has no effect');
      return false;
    case 'statefulFormatter': {
      const typeUrl = format.statefulFormatter?.typedConfig?.typeUrl ?? '';
      if (typeNameOfUrl(typeUrl) === PreserveCaseFormatterConfig.typeName) return true;
      findings.problem(`${path}.stateful_formatter`, `${JSON.stringify(typeUrl)} is not supported`);
      return false;
    }
    case undefined:
      findings.problem(path, 'one of proper_case_words or stateful_formatter must be set');
      return false;
  }
}
