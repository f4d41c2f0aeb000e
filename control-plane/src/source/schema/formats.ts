import { isIP } from 'node:net';
import { parseDurationMs } from '@heddle/common';
import { LinearRegex } from '@heddle/engine';

const dnsLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
/** A year: longer waits are mistakes, and would overflow timers. */
const longestDurationMs = 365 * 24 * 3_600_000;

/** RFC 1123 name of one label, such as a namespace. */
export function isDnsLabel(text: string): boolean {
  return dnsLabel.test(text);
}

/** RFC 1123 name of several labels. */
export function isDnsName(text: string): boolean {
  return text.length > 0 && text.length <= 253 && text.split('.').every((part) => dnsLabel.test(part));
}

/** A host as Istio takes it: `*`, `*.example.com`, a short name, a full name. */
export function isHost(text: string): boolean {
  if (text === '*') return true;
  const rest = text.startsWith('*.') ? text.slice(2) : text;
  return isDnsName(rest.toLowerCase()) || isIP(rest) !== 0;
}

/** RE2 alone, so that its time is linear; the message is the parser's own. */
export function regexMistake(text: string): string | undefined {
  try {
    new LinearRegex(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The checks that `format` names. Each gives true, or false, or says what is wrong. */
export const formats: Readonly<Record<string, (text: string) => boolean | string>> = {
  'dns-label': isDnsLabel,
  'dns-name': isDnsName,
  host: isHost,
  address: (text) => isIP(text) !== 0 || isDnsName(text.toLowerCase()),
  cidr: (text) => {
    const [address = '', bits, ...rest] = text.split('/');
    const family = isIP(address);
    if (family === 0 || rest.length > 0) return false;
    return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
  },
  'label-value': (text) => labelValue.test(text),
  'label-name': (text) => {
    const slash = text.lastIndexOf('/');
    const name = text.slice(slash + 1);
    return name !== '' && labelValue.test(name) && (slash < 0 || isDnsName(text.slice(0, slash)));
  },
  'port-number': (text) => /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535,
  'prometheus-label': (text) => /^[a-zA-Z_][a-zA-Z0-9_]{0,127}$/.test(text),
  'service-account': (text) => {
    const parts = text.split('/');
    return parts.length <= 2 && parts.every(isDnsName);
  },
  'header-name': (text) => token.test(text),
  duration: (text) => {
    const ms = parseDurationMs(text);
    return ms !== undefined && ms >= 0 && ms <= longestDurationMs;
  },
  'positive-duration': (text) => {
    const ms = parseDurationMs(text);
    return ms !== undefined && ms > 0 && ms <= longestDurationMs;
  },
  re2: (text) => {
    const mistake = regexMistake(text);
    return mistake === undefined ? true : `is no regular expression of RE2: ${mistake}`;
  },
  'gateway-name': (text) => {
    const parts = text.split('/');
    return parts.length <= 2 && parts.every((part) => part === '.' || isDnsName(part));
  },
  'gateway-host': (text) => {
    const slash = text.indexOf('/');
    const namespace = slash < 0 ? '*' : text.slice(0, slash);
    return (
      (namespace === '*' || namespace === '.' || dnsLabel.test(namespace)) && isHost(text.slice(slash + 1))
    );
  },
  'http-url': (text) => {
    if (!/^https?:\/\/[^\s\\]+$/.test(text) || !URL.canParse(text)) return false;
    const { username, password, hash } = new URL(text);
    return username === '' && password === '' && hash === '';
  },
  'export-to': (text) => text === '*' || text === '.' || text === '~' || dnsLabel.test(text),
  'locality-pattern': (text) => text.split('/').length <= 3 && /^(\*|[\w.-]+)(\/(\*|[\w.-]+))*$/.test(text),
  'limit-interval': (text) => {
    const ms = parseDurationMs(text);
    return ms !== undefined && ms >= 50 && ms <= 86_400_000;
  },
  region: (text) => /^[\w.-]+$/.test(text),
  locality: (text) => text.split('/').length <= 3 && /^[\w.-]+(\/[\w.-]+)*$/.test(text),
};
