import type { MessageType } from '@heddle/xds-protos';
import { decodeAs } from './any-config.js';
import { Findings } from './findings.js';
import type { HttpFilterFactoryConfig } from '../http-filters/http-filter.js';

/** A filter of which nothing is configured here but that it is there. */
export function filterWithoutSettings(name: string, type: MessageType<object>): HttpFilterFactoryConfig {
  return {
    name,
    typeUrl: `type.googleapis.com/${type.typeName}`,
    perRouteTypeUrl: undefined,
    terminal: false,
    parse(bytes, path) {
      const findings = new Findings();
      decodeAs(bytes, type, path, findings);
      return findings.finish({});
    },
    parsePerRoute(_bytes, path) {
      return { ok: false, problems: [{ path, message: `${name} takes no configuration per route` }] };
    },
  };
}
