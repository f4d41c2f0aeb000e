import type { envoy } from '@heddle/xds-protos';
import { HiddenText } from '../config/hidden-text.js';
import type { DataSourceConfig } from '../config/tls-config.js';
import type { Findings } from './findings.js';

type DataSource = envoy.config.core.v3.DataSource;

/** More text than any certificate, key or list of roots has. */
const MOST_INLINE_BYTES = 1024 * 1024;

/**
 * Text that is here or will be read elsewhere; undefined where none is given.
 *
 * Source: envoy.config.core.v3.DataSource. `watchedDirectory` is that of the message around it.
 */
export function translateDataSource(
  source: DataSource | null,
  watchedDirectory: string,
  path: string,
  findings: Findings,
): DataSourceConfig | undefined {
  if (source === null) return undefined;
  switch (source.specifier) {
    case 'inlineString':
      return inline(source.inlineString ?? '', path, findings);
    case 'inlineBytes':
      return inline(Buffer.from(source.inlineBytes ?? new Uint8Array(0)).toString('latin1'), path, findings);
    case 'filename': {
      const file = source.filename ?? '';
      if (file === '') findings.problem(`${path}.filename`, 'must not be empty');
      if (file.includes('\0')) findings.problem(`${path}.filename`, 'must not hold NUL');
      const watched = source.watchedDirectory?.path ?? watchedDirectory;
      return { kind: 'file', path: file, watchedDirectory: watched };
    }
    case 'environmentVariable': {
      const name = source.environmentVariable ?? '';
      if (name === '') findings.problem(`${path}.environment_variable`, 'must not be empty');
      return { kind: 'environment', name };
    }
    case undefined:
      findings.problem(
        path,
        'one of filename, inline_string, inline_bytes or environment_variable must be set',
      );
      return undefined;
  }
}

function inline(text: string, path: string, findings: Findings): DataSourceConfig | undefined {
  if (text.length > MOST_INLINE_BYTES) {
    findings.problem(path, `is longer than ${MOST_INLINE_BYTES} bytes`);
    return undefined;
  }
  return { kind: 'inline', text: new HiddenText(text) };
}
