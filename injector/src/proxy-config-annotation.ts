import { parseDurationMs } from '@heddle/common';
import { parse } from 'yaml';
import { isJsonObject } from './json-value.js';

const NAME = 'proxy.istio.io/config';
const MAX_CHARACTERS = 64 * 1024;
/** Of Istio's ProxyConfig; the rest of it is either Envoy's or set for the whole mesh. */
const USED = ['holdApplicationUntilProxyStarts', 'terminationDrainDuration', 'proxyMetadata'];

const USED_METADATA = ['ISTIO_META_DNS_CAPTURE', 'ISTIO_META_ENABLE_HBONE'];

/** What is used of Istio's ProxyConfig. */
export interface ProxyConfigAnnotation {
  readonly holdApplicationUntilProxyStarts?: boolean;
  readonly terminationDrainSeconds?: number;
  readonly dnsCapture?: boolean;
  readonly hbone?: boolean;
}

/**
 * Reads the annotation `proxy.istio.io/config`, YAML of Istio's ProxyConfig.
 *
 * Errors: appended to `problems`; fields without an effect here are named in `warnings`.
 */
export function readProxyConfig(text: string, problems: string[], warnings: string[]): ProxyConfigAnnotation {
  const problem = (message: string): void => void problems.push(`annotation ${NAME}: ${message}`);
  if (text.length > MAX_CHARACTERS) {
    problem(`is longer than ${MAX_CHARACTERS} characters`);
    return {};
  }
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0, logLevel: 'error' });
  } catch (cause) {
    problem(`is not YAML: ${String((cause as Error).message).split('\n')[0]}`);
    return {};
  }
  if (value === null) return {};
  if (!isJsonObject(value)) {
    problem('expected fields of a ProxyConfig');
    return {};
  }
  const unused = Object.keys(value).filter((name) => !USED.includes(name));
  if (unused.length > 0) warnings.push(`annotation ${NAME}: ${unused.join(', ')}: no effect here`);

  const result: { -readonly [Key in keyof ProxyConfigAnnotation]: ProxyConfigAnnotation[Key] } = {};
  const hold = value['holdApplicationUntilProxyStarts'];
  if (typeof hold === 'boolean') result.holdApplicationUntilProxyStarts = hold;
  else if (hold !== undefined) problem('holdApplicationUntilProxyStarts: expected true or false');

  const drain = value['terminationDrainDuration'];
  if (drain !== undefined) {
    const milliseconds = typeof drain === 'string' ? parseDurationMs(drain) : undefined;
    if (milliseconds === undefined || milliseconds < 1000) {
      problem('terminationDrainDuration: expected a duration of at least 1s, such as 30s');
    } else {
      result.terminationDrainSeconds = Math.floor(milliseconds / 1000);
    }
  }
  const metadata = value['proxyMetadata'];
  if (isJsonObject(metadata)) {
    const capture = metadata['ISTIO_META_DNS_CAPTURE'];
    if (capture !== undefined) result.dnsCapture = String(capture) === 'true';
    const hbone = metadata['ISTIO_META_ENABLE_HBONE'];
    if (hbone !== undefined) result.hbone = String(hbone) === 'true';
    const others = Object.keys(metadata).filter((name) => !USED_METADATA.includes(name));
    if (others.length > 0) {
      warnings.push(`annotation ${NAME}: proxyMetadata ${others.join(', ')}: no effect here`);
    }
  } else if (metadata !== undefined) {
    problem('proxyMetadata: expected an object');
  }
  return result;
}
