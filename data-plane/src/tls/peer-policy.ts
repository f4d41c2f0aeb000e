import { verifySvid, type VerifySvidOptions } from '@heddle/certs/workload';
import { stringMatches, type PeerRulesConfig, type SubjectAltNameMatchConfig } from '@heddle/engine';
import type { LeafCertificate } from './leaf-certificate.js';

/** Which of Envoy's counters a refusal belongs to. */
export type PeerFailure = 'no-certificate' | 'verify-error' | 'san' | 'hash';

export interface PeerRefusal {
  readonly failure: PeerFailure;
  /** Plain English. */
  readonly reason: string;
}

const SPIFFE = 'spiffe://';

/**
 * What is asked of a peer's certificate beside its chain, made ready. It is asked on every connection, of resumed ones as well,
 * because TLS asks nothing of those.
 *
 * A certificate that claims a SPIFFE ID, and every one where SPIFFE IDs are asked for, has to be an X.509-SVID by all the rules of
 * that standard: nobody may be two workloads, or an authority, or one whose name can be read in two ways.
 */
export class PeerPolicy {
  readonly #rules: PeerRulesConfig;
  readonly #trustDomains: VerifySvidOptions['trustDomains'];
  readonly #needsSvid: boolean;
  /** The names that are matched whole, which may be many. */
  readonly #exactUris: ReadonlySet<string>;
  readonly #otherNames: readonly SubjectAltNameMatchConfig[];
  /** What does not depend on the time. Peers come again and again, with certificates that are read once. */
  readonly #verdicts = new WeakMap<LeafCertificate, PeerRefusal | 'accepted'>();

  constructor(rules: PeerRulesConfig) {
    this.#rules = rules;
    const domains = rules.spiffeTrustDomains ?? trustDomainsOf(rules.subjectAltNames);
    this.#needsSvid = domains !== undefined;
    this.#trustDomains = domains === undefined ? 'any' : new Set(domains);
    const isExactUri = ({ type, matcher }: SubjectAltNameMatchConfig): boolean =>
      type === 'uri' && matcher.kind === 'exact' && !matcher.ignoreCase;
    this.#exactUris = new Set(
      rules.subjectAltNames
        .filter(isExactUri)
        .map(({ matcher }) => (matcher.kind === 'exact' ? matcher.value : '')),
    );
    this.#otherNames = rules.subjectAltNames.filter((one) => !isExactUri(one));
  }

  /** Why the certificate is not accepted; undefined when it is. Cost: some microseconds, the first time for each certificate. */
  refuse(certificate: LeafCertificate, nowMs: number): PeerRefusal | undefined {
    // Written so that a time that is not a number refuses.
    if (!(nowMs >= certificate.notBeforeMs)) {
      return verifyError(`the certificate is not valid before ${isoTime(certificate.notBeforeMs)}`);
    }
    if (!(nowMs <= certificate.notAfterMs)) {
      return verifyError(`the certificate expired at ${isoTime(certificate.notAfterMs)}`);
    }
    let verdict = this.#verdicts.get(certificate);
    if (verdict === undefined) {
      verdict = this.#refuseAtAnyTime(certificate, nowMs) ?? 'accepted';
      this.#verdicts.set(certificate, verdict);
    }
    return verdict === 'accepted' ? undefined : verdict;
  }

  /** `nowMs` is a time at which the certificate is valid. */
  #refuseAtAnyTime(certificate: LeafCertificate, nowMs: number): PeerRefusal | undefined {
    if (this.#needsSvid || certificate.uriSans.some(claimsSpiffe)) {
      const verdict = verifySvid(certificate.der, { trustDomains: this.#trustDomains, nowMs });
      if (!verdict.ok) {
        const reason = `the certificate is no valid SPIFFE identity: ${verdict.reason} (${verdict.detail})`;
        return { failure: verdict.reason === 'other-trust-domain' ? 'san' : 'verify-error', reason };
      }
    }
    return this.#refuseHash(certificate) ?? this.#refuseNames(certificate);
  }

  #refuseHash(certificate: LeafCertificate): PeerRefusal | undefined {
    const { publicKeyHashes, certificateHashes } = this.#rules;
    if (publicKeyHashes.length === 0 && certificateHashes.length === 0) return undefined;
    if (publicKeyHashes.includes(certificate.publicKeyHash)) return undefined;
    if (certificateHashes.includes(certificate.sha256Hex)) return undefined;
    return {
      failure: 'hash',
      reason: 'neither the certificate nor its key is one of those that are accepted',
    };
  }

  #refuseNames(certificate: LeafCertificate): PeerRefusal | undefined {
    if (this.#exactUris.size === 0 && this.#otherNames.length === 0) return undefined;
    if (this.#exactUris.size > 0 && certificate.uriSans.some((uri) => this.#exactUris.has(uri)))
      return undefined;
    if (this.#otherNames.some((one) => matchesName(one, certificate))) return undefined;
    return {
      failure: 'san',
      reason: `the certificate is for ${namesText(certificate)}, which is not accepted here`,
    };
  }
}

function verifyError(reason: string): PeerRefusal {
  return { failure: 'verify-error', reason };
}

function claimsSpiffe(uri: string): boolean {
  return uri.slice(0, 7).toLowerCase() === 'spiffe:';
}

/** The trust domains that the matchers are all about; undefined where any of them is about something else. */
function trustDomainsOf(matchers: readonly SubjectAltNameMatchConfig[]): readonly string[] | undefined {
  const domains: string[] = [];
  for (const { type, matcher } of matchers) {
    if (type !== 'uri' || (matcher.kind !== 'exact' && matcher.kind !== 'prefix')) return undefined;
    const end = matcher.value.indexOf('/', SPIFFE.length);
    if (!matcher.value.startsWith(SPIFFE) || end < 0) return undefined;
    domains.push(matcher.value.slice(SPIFFE.length, end));
  }
  return domains.length === 0 ? undefined : domains;
}

function matchesName({ type, matcher }: SubjectAltNameMatchConfig, certificate: LeafCertificate): boolean {
  const matches = (name: string): boolean => stringMatches(matcher, name);
  switch (type) {
    case 'uri':
      return certificate.uriSans.some(matches);
    case 'email':
      return certificate.emailSans.some(matches);
    case 'ip':
      return certificate.ipSans.some(matches);
    case 'dns':
      return matcher.kind === 'exact'
        ? certificate.dnsSans.some((san) => dnsNameMatches(san, matcher.value))
        : certificate.dnsSans.some(matches);
    case 'any':
      return (
        certificate.uriSans.some(matches) ||
        certificate.emailSans.some(matches) ||
        certificate.dnsSans.some(matches)
      );
  }
}

/**
 * Whether a DNS name of a certificate covers a host: `*.example.com` covers one label before `.example.com` and nothing else.
 *
 * Source: RFC 6125 section 6.4.3.
 */
export function dnsNameMatches(san: string, host: string): boolean {
  const name = san.toLowerCase();
  const wanted = host.toLowerCase();
  if (name === wanted) return true;
  if (!name.startsWith('*.') || name.indexOf('*', 1) !== -1) return false;
  const dot = wanted.indexOf('.');
  return dot > 0 && wanted.slice(dot) === name.slice(1);
}

/** The names of a certificate for people. They are printable, or the certificate would not have been read. */
function namesText(certificate: LeafCertificate): string {
  const names = [
    ...certificate.uriSans,
    ...certificate.dnsSans,
    ...certificate.emailSans,
    ...certificate.ipSans,
  ];
  if (names.length === 0) return certificate.subject === '' ? 'nobody' : `"${certificate.subject}"`;
  const shown = names.slice(0, 4).join(', ').slice(0, 512);
  return names.length > 4 ? `${shown} and ${names.length - 4} more` : shown;
}

function isoTime(atMs: number): string {
  return new Date(atMs).toISOString();
}

/** Both lists of rules together, as Envoy merges a given and a fetched validation context. */
export function mergePeerRules(given: PeerRulesConfig, fetched: PeerRulesConfig): PeerRulesConfig {
  return {
    subjectAltNames: [...given.subjectAltNames, ...fetched.subjectAltNames],
    publicKeyHashes: [...given.publicKeyHashes, ...fetched.publicKeyHashes],
    certificateHashes: [...given.certificateHashes, ...fetched.certificateHashes],
    spiffeTrustDomains: fetched.spiffeTrustDomains ?? given.spiffeTrustDomains,
  };
}
