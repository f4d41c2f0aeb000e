import { describeError } from '@heddle/common';
import { stringify } from 'yaml';
import { adminCall } from '../../launcher/admin-call.js';
import { table, type Terminal } from '../../terminal.js';
import {
  configKinds,
  readConfigDump,
  type ConfigFilter,
  type ConfigKind,
  type ConfigKindName,
} from './config-tables.js';
import { findAdmin, type FindAdminOptions } from './find-admin.js';

export interface ProxyConfigOptions extends FindAdminOptions {
  readonly kind: ConfigKindName | 'all';
  readonly filter: ConfigFilter;
  readonly output: 'text' | 'json' | 'yaml';
  readonly terminal: Terminal;
}

/** `heddle proxy-config KIND`: what a proxy runs by, as it says itself. Resolves with the exit code. */
export async function runProxyConfig(options: ProxyConfigOptions): Promise<number> {
  const { kind, filter, output, terminal } = options;
  try {
    const { host, port } = await findAdmin(options);
    const page = (path: string): Promise<string> => adminCall('GET', port, path, host);
    const [text, clusters] = await Promise.all([
      page('/config_dump?include_eds'),
      page('/clusters?format=json'),
    ]);
    const dump = readConfigDump(text, clusters);
    const kinds: readonly ConfigKind[] = kind === 'all' ? Object.values(configKinds) : [configKinds[kind]];
    const found = kinds.map((one) => ({ one, selected: one.select(dump, filter) }));
    if (output === 'text') {
      for (const { one, selected } of found) {
        if (kind === 'all') terminal.heading(one.title);
        for (const line of table(one.rows(selected))) terminal.say(line);
      }
      return 0;
    }
    const values = found.map(({ one, selected }) => [one.title, selected.map(({ value }) => value)] as const);
    const value = kind === 'all' ? Object.fromEntries(values) : (values[0]?.[1] ?? []);
    terminal.say(
      output === 'json'
        ? JSON.stringify(value, null, 2)
        : stringify(value, { aliasDuplicateObjects: false }).trimEnd(),
    );
    return 0;
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
}

export interface ProxyLogOptions extends FindAdminOptions {
  /** undefined: only said. */
  readonly level: string | undefined;
  readonly terminal: Terminal;
}

/** `heddle proxy-config log`: how much a proxy logs. Resolves with the exit code. */
export async function runProxyLog(options: ProxyLogOptions): Promise<number> {
  const { level, terminal } = options;
  try {
    const { host, port } = await findAdmin(options);
    const query = level === undefined ? '' : `?level=${encodeURIComponent(level)}`;
    terminal.say((await adminCall('POST', port, `/logging${query}`, host)).trimEnd());
    return 0;
  } catch (cause) {
    terminal.error(describeError(cause));
    return 1;
  }
}
