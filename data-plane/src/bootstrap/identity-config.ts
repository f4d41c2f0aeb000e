import { formatWorkloadId, parseSpiffeId, type SpiffeId } from '@heddle/certs/spiffe-id';
import { parseDurationMs } from '@heddle/common';
import type { envoy } from '@heddle/xds-protos';
import type { IdentityArguments } from './command-line.js';

/** The workload's own identity: who it is, and where it gets certificates. */
export interface IdentityConfig {
  readonly spiffeId: SpiffeId;
  /** A gRPC target. */
  readonly caAddress: string;
  /** undefined: it is heddled, known by its SPIFFE ID. */
  readonly caServerName: string | undefined;
  readonly rootsFile: string;
  /** undefined: a certificate cannot be had without one that is there already. */
  readonly tokenFile: string | undefined;
  /** undefined: as long as the authority likes. */
  readonly certificateTtlMs: number | undefined;
}

const TRUST_DOMAIN = 'cluster.local';

/** By argument: the node metadata that stands in for it. */
const METADATA: Readonly<Record<keyof IdentityArguments, string>> = {
  caAddress: 'HEDDLE_CA_ADDRESS',
  caServerName: 'HEDDLE_CA_SERVER_NAME',
  caRootFile: 'HEDDLE_CA_ROOT_FILE',
  caTokenFile: 'HEDDLE_CA_TOKEN_FILE',
  identity: 'HEDDLE_IDENTITY',
  certificateTtl: 'HEDDLE_CERT_TTL',
};

/**
 * The identity that the command line, and node metadata where it says nothing, give to a proxy; undefined: none.
 *
 * Errors: every problem, by the place where it can be mended.
 */
export function identityConfigOf(
  given: IdentityArguments,
  node: envoy.config.core.v3.Node | null,
): {
  readonly identity: IdentityConfig | undefined;
  readonly problems: readonly { readonly path: string; readonly message: string }[];
} {
  const metadata = (name: string): string => node?.metadata?.fields[name]?.stringValue ?? '';
  const value = (name: keyof IdentityArguments): string => given[name] ?? metadata(METADATA[name]);
  const problems: { path: string; message: string }[] = [];
  const problem = (name: keyof IdentityArguments, message: string): void =>
    void problems.push({ path: `node.metadata.${METADATA[name]}`, message });
  const caAddress = value('caAddress');
  if (caAddress === '') {
    const others = (Object.keys(METADATA) as (keyof IdentityArguments)[]).filter(
      (name) => value(name) !== '',
    );
    if (others.length > 0) {
      problem('caAddress', `(or --ca-address) is missing: where does the certificate come from?`);
    }
    return { identity: undefined, problems };
  }
  const rootsFile = value('caRootFile');
  if (rootsFile === '')
    problem('caRootFile', '(or --ca-root-file) is missing: which roots is the authority known by?');
  const spiffeId = spiffeIdOf(value('identity'), metadata('NAMESPACE'), metadata('SERVICE_ACCOUNT'));
  if (typeof spiffeId === 'string') problem('identity', spiffeId);
  const ttl = value('certificateTtl');
  const certificateTtlMs = ttl === '' ? undefined : parseDurationMs(ttl);
  if (ttl !== '' && (certificateTtlMs === undefined || certificateTtlMs < 1_000)) {
    problem(
      'certificateTtl',
      `expected a duration of a second at least, such as 24h, found ${JSON.stringify(ttl)}`,
    );
  }
  if (problems.length > 0 || typeof spiffeId === 'string') return { identity: undefined, problems };
  return {
    problems,
    identity: Object.freeze({
      spiffeId,
      caAddress,
      caServerName: value('caServerName') || undefined,
      rootsFile,
      tokenFile: value('caTokenFile') || undefined,
      certificateTtlMs,
    }),
  };
}

/** Errors: what is wrong, as text. */
function spiffeIdOf(text: string, namespace: string, serviceAccount: string): SpiffeId | string {
  if (text !== '') {
    const parsed = parseSpiffeId(text);
    if (parsed.ok && parsed.id.path !== '') return parsed.id;
    return `expected spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT, found ${JSON.stringify(text.slice(0, 200))}`;
  }
  if (namespace === '' || serviceAccount === '') {
    return '(or --identity) is missing, and so are NAMESPACE and SERVICE_ACCOUNT: whose certificate is wanted?';
  }
  try {
    return formatWorkloadId({ trustDomain: TRUST_DOMAIN, namespace, serviceAccount });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
