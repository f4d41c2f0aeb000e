import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { isTrustDomain } from '@heddle/certs';
import { isLogLevel, systemRandom, type LogLevel } from '@heddle/common';
import { defaultMeshSettings, type OutboundTrafficPolicy } from './model/mesh-settings.js';
import type { IdentityOptions, InjectionOptions, KeySetOptions } from './server.js';
import { isDnsLabel } from './source/schema/formats.js';

/** How heddled was started: the only reader of arguments and environment. */
export interface HeddledConfig {
  readonly folders: readonly string[];
  readonly appliedFolder: string | undefined;
  readonly canaryFolder: string | undefined;
  readonly xdsAddress: string;
  readonly rootNamespace: string;
  readonly outboundTrafficPolicy: OutboundTrafficPolicy;
  /** undefined: heddled is no authority, and said so by `--xds-auth permissive`. */
  readonly identity: IdentityOptions | undefined;
  /** undefined: no webhook. */
  readonly injection: InjectionOptions | undefined;
  readonly keySets: KeySetOptions;
  readonly apiHost: string;
  readonly apiPort: number;
  readonly apiAllowedHosts: readonly string[];
  readonly token: string;
  readonly tokenIsGenerated: boolean;
  /** A file that is written, readable by its owner alone, once everything listens. */
  readonly portsFile: string | undefined;
  readonly logLevel: LogLevel;
}

export const HEDDLED_USAGE = `heddled: the control plane of Heddle

Usage: heddled -f FOLDER [-f FOLDER …] [options]

Reads Services, traffic policy and workloads from folders of YAML, watches them, and serves
the configuration of every proxy over the Envoy xDS v3 API.

  -f, --filename FOLDER     a folder of YAML; may be given more than once
      --root-namespace NAME the namespace whose policies hold for the whole mesh
                                                                  (default istio-system)
      --outbound-traffic-policy MODE  where intercepted connections go that are for no service: ALLOW_ANY
                            (where they were going) or REGISTRY_ONLY (nowhere)  (default ALLOW_ANY)
      --applied FOLDER      where resources written through the API are kept; without it the API only reads
      --canary-dir FOLDER   keep there how far canaries are, across restarts
      --ca-dir FOLDER       be the certificate authority of the mesh; its root is made there once,
                            readable by this user alone
      --trust-domain NAME   of every identity                     (default cluster.local)
      --xds HOST:PORT       where proxies connect, plain text, loopback (default 127.0.0.1:15010)
      --xds-tls HOST:PORT   where they connect over TLS and get certificates, with --ca-dir
                                                                  (default 127.0.0.1:15012)
      --xds-auth MODE       on the plain-text port: required (proxies bring a join token), or
                            permissive (who brings none is whoever it says)  (default required)
      --server-name NAME    a further host name or address by which proxies call; repeatable
      --injector-config FILE  answer Kubernetes' API server about new pods, with --ca-dir: how they are
                            injected, as for "heddle inject --config"; edits are followed
      --webhook HOST:PORT   where it asks, over TLS               (default 127.0.0.1:15017)
      --jwks-dir FOLDER     keep the keys of token issuers there, for a start while they are away
      --jwks-allow-loopback fetch keys from this machine, too: for issuers that run on it
      --api HOST:PORT       HTTP API for CLI and dashboard        (default 127.0.0.1:8080)
      --api-host NAME       a further name by which the API may be called
      --token-file FILE     the token that writes need            (default: made at start and printed;
                            the environment's HEDDLE_TOKEN is taken too)
      --ports-file FILE     write the ports and token there as JSON, mode 0600, when ready
      --log-level LEVEL     trace, debug, info, warn, error, off  (default info)
      --version, --help
`;

/** Errors: every mistake in the arguments, as one text for people. */
export function parseHeddledArguments(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
):
  | { readonly kind: 'run'; readonly config: HeddledConfig }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'error'; readonly message: string } {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        filename: { type: 'string', short: 'f', multiple: true },
        applied: { type: 'string' },
        'root-namespace': { type: 'string', default: defaultMeshSettings.rootNamespace },
        'outbound-traffic-policy': { type: 'string', default: defaultMeshSettings.outboundTrafficPolicy },
        xds: { type: 'string', default: '127.0.0.1:15010' },
        'canary-dir': { type: 'string' },
        'ca-dir': { type: 'string' },
        'trust-domain': { type: 'string', default: 'cluster.local' },
        'xds-tls': { type: 'string', default: '127.0.0.1:15012' },
        'xds-auth': { type: 'string', default: 'required' },
        'server-name': { type: 'string', multiple: true },
        'injector-config': { type: 'string' },
        webhook: { type: 'string' },
        'jwks-dir': { type: 'string' },
        'jwks-allow-loopback': { type: 'boolean', default: false },
        api: { type: 'string', default: '127.0.0.1:8080' },
        'api-host': { type: 'string', multiple: true },
        'token-file': { type: 'string' },
        'ports-file': { type: 'string' },
        'log-level': { type: 'string', default: 'info' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (cause) {
    return { kind: 'error', message: cause instanceof Error ? cause.message : String(cause) };
  }
  if (values.help) return { kind: 'help' };
  if (values.version) return { kind: 'version' };

  const problems: string[] = [];
  if (values.filename === undefined) problems.push('-f FOLDER is missing: where is the YAML?');
  const address = (name: 'api' | 'xds' | 'xds-tls' | 'webhook', byDefault = ''): HostAndPort => {
    const value = values[name] ?? byDefault;
    const match = /^(.+):(\d{1,5})$/.exec(value);
    const port = Number(match?.[2]);
    if (match === null || port > 65_535) problems.push(`--${name} ${value}: expected HOST:PORT`);
    return { host: (match?.[1] ?? '').replace(/^\[(.*)\]$/, '$1'), port };
  };
  const api = address('api');
  const tls = address('xds-tls');
  const xds = address('xds');
  if (xds.host !== '' && !isLoopback(xds.host))
    problems.push(`--xds ${values.xds}: plain text is for loopback alone; --xds-tls may be anywhere`);
  const identity = identityOf(values, tls, problems);
  const webhook = address('webhook', '127.0.0.1:15017');
  const configFile = values['injector-config'];
  if (configFile === undefined && values.webhook !== undefined)
    problems.push(
      '--injector-config FILE is missing: how are the pods injected that --webhook is asked about?',
    );
  if (configFile !== undefined && values['ca-dir'] === undefined)
    problems.push('--ca-dir FOLDER is missing: the webhook is served with a certificate of the mesh');
  const rootNamespace = values['root-namespace'];
  if (!isDnsLabel(rootNamespace))
    problems.push(`--root-namespace ${rootNamespace}: expected the name of a namespace`);
  const outboundTrafficPolicy = values['outbound-traffic-policy'];
  if (outboundTrafficPolicy !== 'ALLOW_ANY' && outboundTrafficPolicy !== 'REGISTRY_ONLY')
    problems.push(`--outbound-traffic-policy ${outboundTrafficPolicy}: expected ALLOW_ANY or REGISTRY_ONLY`);
  const logLevel = values['log-level'];
  if (!isLogLevel(logLevel))
    problems.push(`--log-level ${logLevel}: expected trace, debug, info, warn, error or off`);
  let token = environment['HEDDLE_TOKEN'] ?? '';
  if (values['token-file'] !== undefined) {
    try {
      token = readFileSync(values['token-file'], 'utf8').trim();
      if (token === '') problems.push(`--token-file ${values['token-file']}: the file is empty`);
    } catch (cause) {
      problems.push(
        `--token-file ${values['token-file']}: ${cause instanceof Error ? cause.message : String(cause)}`,
      );
    }
  }
  if (problems.length > 0 || !isLogLevel(logLevel)) {
    return { kind: 'error', message: problems.join('\n') };
  }
  return {
    kind: 'run',
    config: Object.freeze({
      folders: (values.filename ?? []).map((folder) => resolve(folder)),
      appliedFolder: values.applied === undefined ? undefined : resolve(values.applied),
      canaryFolder: values['canary-dir'] === undefined ? undefined : resolve(values['canary-dir']),
      xdsAddress: values.xds,
      rootNamespace,
      outboundTrafficPolicy: outboundTrafficPolicy === 'REGISTRY_ONLY' ? 'REGISTRY_ONLY' : 'ALLOW_ANY',
      identity,
      injection: configFile === undefined ? undefined : { configFile: resolve(configFile), ...webhook },
      keySets: {
        allowLoopback: values['jwks-allow-loopback'],
        folder: values['jwks-dir'] === undefined ? undefined : resolve(values['jwks-dir']),
        random: systemRandom,
      },
      apiHost: api.host,
      apiPort: api.port,
      apiAllowedHosts: (values['api-host'] ?? []).map((name) => name.toLowerCase()),
      token: token === '' ? randomBytes(24).toString('base64url') : token,
      tokenIsGenerated: token === '',
      portsFile: values['ports-file'],
      logLevel,
    }),
  };
}

interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

function identityOf(
  values: {
    readonly 'ca-dir'?: string | undefined;
    readonly 'trust-domain': string;
    readonly 'xds-auth': string;
    readonly 'server-name'?: string[] | undefined;
  },
  tls: HostAndPort,
  problems: string[],
): IdentityOptions | undefined {
  const { 'ca-dir': folder, 'trust-domain': trustDomain, 'xds-auth': plaintext } = values;
  if (!isTrustDomain(trustDomain)) {
    problems.push(`--trust-domain ${trustDomain}: expected lower-case letters, digits, dots, dashes`);
  }
  if (plaintext !== 'required' && plaintext !== 'permissive') {
    problems.push(`--xds-auth ${plaintext}: expected required or permissive`);
    return undefined;
  }
  if (folder === undefined) {
    if (plaintext === 'permissive') return undefined;
    problems.push(
      '--ca-dir FOLDER is missing: where are the certificates of the mesh made? Without it nobody can prove who it is; ' +
        '--xds-auth permissive serves configuration to whoever is on this machine',
    );
    return undefined;
  }
  return {
    caFolder: resolve(folder),
    trustDomain,
    tlsHost: tls.host,
    tlsPort: tls.port,
    serverNames: values['server-name'] ?? [],
    plaintext,
    random: systemRandom,
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
