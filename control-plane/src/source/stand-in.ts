import { isDryRun } from '../model/authorization-policy.js';
import {
  resourceKey,
  type MeshKind,
  type MeshResource,
  type ResourceOrigin,
} from '../model/mesh-resource.js';
import { problemAt, type SourceProblem } from '../model/source-problem.js';
import { policyTargetRefs, workloadSelector } from './schema/policy-target.js';
import { validateValue } from './validate-resource.js';

/**
 * Denies everything to those that a security policy is for, while the policy is not valid and never was: what it would have
 * kept out is not known.
 */
export interface StandIn {
  /** The policy's own key; undefined: it cannot be read. */
  readonly insteadOf: string | undefined;
  /** An AuthorizationPolicy. Its name is none that could be written. */
  readonly resource: MeshResource;
}

const SECURITY_KINDS = ['AuthorizationPolicy', 'PeerAuthentication', 'RequestAuthentication'] as const;
type SecurityKind = (typeof SECURITY_KINDS)[number];

const SECURITY_GROUP = 'security.istio.io/';

/** The kind of security policy that a document is, or was meant to be. */
export function securityKindOf(
  kind: unknown,
  apiVersion: unknown,
  suggested: string | undefined,
): SecurityKind | undefined {
  const found = SECURITY_KINDS.find((one) => one === kind) ?? SECURITY_KINDS.find((one) => one === suggested);
  if (found !== undefined) return found;
  // One that misses its kind, or has a strange one, may be any of them.
  const isSecurity = typeof apiVersion === 'string' && apiVersion.startsWith(SECURITY_GROUP);
  return isSecurity ? 'AuthorizationPolicy' : undefined;
}

/**
 * Stands in for a document that was read and refused. Selector and references narrow it down as far as they are valid; otherwise
 * the whole namespace is meant. undefined: the policy would never have kept anybody out.
 */
export function standInFor(
  kind: SecurityKind,
  document: Readonly<Record<string, unknown>>,
  origin: ResourceOrigin,
): StandIn | undefined {
  const metadata = objectOf(document['metadata']);
  const spec = objectOf(document['spec']);
  const name = textOf(metadata['name']);
  const namespace = textOf(metadata['namespace']) ?? 'default';
  if (kind === 'AuthorizationPolicy') {
    const dryRun = textOf(objectOf(metadata['annotations'])['istio.io/dry-run']);
    if (spec['action'] === 'AUDIT' || isDryRun({ 'istio.io/dry-run': dryRun ?? '' })) return undefined;
  }
  const { selector, targetRefs } = spec;
  const target = {
    ...(isValid(workloadSelector, selector) ? { selector } : {}),
    ...(isValid(policyTargetRefs, targetRefs) ? { targetRefs } : {}),
  };
  // Both together are a mistake that leaves open which is meant.
  const narrowed = Object.keys(target).length === 1 ? target : {};
  return {
    insteadOf: name === undefined ? undefined : resourceKey(kind, namespace, name),
    resource: standInResource(kind, namespace, name ?? `line ${origin.line}`, narrowed, origin),
  };
}

const KIND =
  /^[^#\n]*\bkind["']?\s*:\s*["']?(AuthorizationPolicy|PeerAuthentication|RequestAuthentication)\b/m;
const GROUP = /^[^#\n]*\bapiVersion["']?\s*:\s*["']?security\.istio\.io\//m;
const NAMESPACES = /^[^#\n]*?\bnamespace["']?\s*:\s*["']?([a-z0-9-]{1,63})\b/gm;
/** More is no honest mistake. */
const MOST_NAMESPACES = 100;

/** Stands in for text that cannot be read and that speaks of a security policy: for the namespaces that it names. */
export function standInsForText(text: string, origin: ResourceOrigin): StandIn[] {
  const kind = KIND.exec(text)?.[1] ?? (GROUP.test(text) ? 'AuthorizationPolicy' : undefined);
  if (kind === undefined) return [];
  const named = [...text.matchAll(NAMESPACES)].map(([, namespace = '']) => namespace);
  const namespaces = [...new Set(named.length === 0 ? ['default'] : named)].slice(0, MOST_NAMESPACES);
  return namespaces.map((namespace) => ({
    insteadOf: undefined,
    resource: standInResource(kind as SecurityKind, namespace, `line ${origin.line}`, {}, origin),
  }));
}

/** What is told of a stand-in that is in force. */
export function standInProblem({ resource }: StandIn): SourceProblem {
  const problem = problemAt(resource, [], {
    message:
      'it is not valid and never was: until it is, everything to those that it is for is refused (what it should keep out is not known)',
    expected: 'the mistakes here to be mended',
  });
  // Told as what it was meant to be.
  const { namespace, name } = resource;
  const kind = SECURITY_KINDS.find((one) => name.startsWith(`${one} `));
  return kind === undefined
    ? problem
    : { ...problem, resource: { kind, namespace, name: name.slice(kind.length + 1) } };
}

function standInResource(
  kind: MeshKind,
  namespace: string,
  name: string,
  target: object,
  origin: ResourceOrigin,
): MeshResource {
  const shown = kind === 'AuthorizationPolicy' ? name : `${kind} ${name}`;
  const key = resourceKey('AuthorizationPolicy', namespace, shown);
  return {
    key,
    kind: 'AuthorizationPolicy',
    apiVersion: 'security.istio.io/v1',
    namespace,
    name: shown,
    labels: {},
    annotations: {},
    createdAtMs: 0,
    spec: { ...target, action: 'DENY', rules: [{}] },
    contentHash: `stands in ${JSON.stringify(target)}`,
    standsIn: true,
    origin,
  };
}

function isValid(schema: Parameters<typeof validateValue>[0], value: unknown): boolean {
  return value !== undefined && value !== null && validateValue(schema, value).length === 0;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
