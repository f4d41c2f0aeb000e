import { parseArgs } from 'node:util';
import { InterceptionOptionsError } from '../errors.js';
import { type InterceptionOptions } from './interception-config.js';

/** The arguments of `heddle-iptables` that say what is intercepted, by the option that each one sets. */
const TEXT_OPTIONS = {
  mode: 'mode',
  proxyUids: 'proxy-uids',
  proxyGids: 'proxy-gids',
  includeInboundPorts: 'include-inbound-ports',
  excludeInboundPorts: 'exclude-inbound-ports',
  includeOutboundPorts: 'include-outbound-ports',
  excludeOutboundPorts: 'exclude-outbound-ports',
  includeOutboundIpRanges: 'include-outbound-ip-ranges',
  excludeOutboundIpRanges: 'exclude-outbound-ip-ranges',
  excludeInterfaces: 'exclude-interfaces',
  excludeOutboundUids: 'exclude-outbound-uids',
  excludeOutboundGids: 'exclude-outbound-gids',
} as const satisfies Partial<Record<keyof InterceptionOptions, string>>;
const PORT_OPTIONS = {
  outboundPort: 'outbound-port',
  inboundPort: 'inbound-port',
  dnsPort: 'dns-port',
} as const satisfies Partial<Record<keyof InterceptionOptions, string>>;

type TextOption = keyof typeof TEXT_OPTIONS;
type PortOption = keyof typeof PORT_OPTIONS;

/** Options as arguments of `heddle-iptables`, `--name=value` each; what parseInterceptionArguments reads. */
export function formatInterceptionArguments(options: InterceptionOptions): readonly string[] {
  const args: string[] = [];
  const add = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) args.push(`--${name}=${value}`);
  };
  add(TEXT_OPTIONS.mode, options.mode);
  for (const [option, name] of Object.entries(PORT_OPTIONS)) add(name, options[option as PortOption]);
  for (const [option, name] of Object.entries(TEXT_OPTIONS)) {
    if (option !== 'mode') add(name, options[option as TextOption]);
  }
  add('proxy-source', options.proxySource?.v4);
  add('proxy-source6', options.proxySource?.v6);
  if (options.dnsCapture === true) args.push('--dns-capture');
  if (options.ipv6 === false) args.push('--no-ipv6');
  return Object.freeze(args);
}

/**
 * Reads the arguments of `heddle-iptables` that say what is intercepted. What the tool itself takes besides (which
 * backend, dry run) is to be taken out before.
 *
 * Errors: InterceptionOptionsError for an argument that is not known or has no value; values are checked by
 * parseInterceptionOptions.
 */
export function parseInterceptionArguments(args: readonly string[]): InterceptionOptions {
  let values: Readonly<Record<string, string | boolean | undefined>>;
  try {
    const texts = [...Object.values(TEXT_OPTIONS), ...Object.values(PORT_OPTIONS)];
    ({ values } = parseArgs({
      args: [...args],
      options: {
        'proxy-source': { type: 'string' },
        'proxy-source6': { type: 'string' },
        'dns-capture': { type: 'boolean' },
        'no-ipv6': { type: 'boolean' },
        ...Object.fromEntries(texts.map((name) => [name, { type: 'string' as const }])),
      },
    }));
  } catch (cause) {
    throw new InterceptionOptionsError([(cause as Error).message]);
  }
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const options: { -readonly [Key in keyof InterceptionOptions]: InterceptionOptions[Key] } = {};
  for (const [option, name] of Object.entries(TEXT_OPTIONS)) {
    const value = text(name);
    if (value !== undefined) options[option as TextOption] = value;
  }
  for (const [option, name] of Object.entries(PORT_OPTIONS)) {
    const value = text(name);
    // Number('') is 0 and Number('1e3') a port, so the form is checked first; NaN is refused with the name later.
    if (value !== undefined) options[option as PortOption] = /^\d{1,6}$/.test(value) ? Number(value) : NaN;
  }
  const v4 = text('proxy-source');
  const v6 = text('proxy-source6');
  if (v4 !== undefined || v6 !== undefined) {
    options.proxySource = { v4: v4 ?? '', ...(v6 === undefined ? {} : { v6 }) };
  }
  if (values['dns-capture'] === true) options.dnsCapture = true;
  if (values['no-ipv6'] === true) options.ipv6 = false;
  return options;
}
