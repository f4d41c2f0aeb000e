import type { ClientTlsSpec, DestinationRuleSpec } from '../model/specs/destination-rule.js';
import { trafficPoliciesOf } from './traffic-policies.js';
import type { SchemaProblem } from './validate-resource.js';

type Path = readonly (string | number)[];

/** What the schema cannot say of the TLS of a DestinationRule. */
export function checkDestinationTls(spec: DestinationRuleSpec): SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  for (const { policy, path } of trafficPoliciesOf(spec)) {
    if (policy.tls !== undefined) checkClientTls(policy.tls, [...path, 'tls'], problems);
  }
  return problems;
}

const credentials = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl', 'credentialName'] as const;

/** Source: Istio's validateTLS. */
function checkClientTls(tls: ClientTlsSpec, path: Path, problems: SchemaProblem[]): void {
  const exclude = (field: keyof ClientTlsSpec, message: string, expected: string): void => {
    if (tls[field] !== undefined && tls[field] !== false) {
      problems.push({ path: [...path, field], message, expected, at: 'key' });
    }
  };
  switch (tls.mode) {
    case 'DISABLE':
      for (const field of Object.keys(tls) as (keyof ClientTlsSpec)[]) {
        if (field === 'mode') continue;
        exclude(field, `${field} has no meaning with mode DISABLE`, 'no other field beside mode DISABLE');
      }
      return;
    case 'ISTIO_MUTUAL':
      for (const field of [...credentials, 'insecureSkipVerify'] as const) {
        exclude(
          field,
          `${field} does not go with mode ISTIO_MUTUAL, which uses the identities of the mesh`,
          'sni and subjectAltNames alone, or mode MUTUAL',
        );
      }
      return;
    default:
  }
  if (tls.credentialName !== undefined) {
    for (const field of ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const) {
      exclude(field, `${field} and credentialName exclude each other`, 'a Secret or files, not both');
    }
  } else if (tls.mode === 'MUTUAL') {
    for (const field of ['clientCertificate', 'privateKey'] as const) {
      if (tls[field] !== undefined) continue;
      problems.push({
        path: [...path, field],
        message: `mode MUTUAL lacks "${field}"`,
        expected: 'clientCertificate and privateKey, or credentialName',
      });
    }
  } else {
    for (const field of ['clientCertificate', 'privateKey'] as const) {
      exclude(field, `${field} has no meaning with mode SIMPLE`, 'mode MUTUAL, or no client certificate');
    }
  }
  if (tls.insecureSkipVerify !== true) return;
  for (const field of ['caCertificates', 'caCrl', 'subjectAltNames'] as const) {
    exclude(
      field,
      `${field} would not be looked at, as insecureSkipVerify is set`,
      `insecureSkipVerify or ${field}, not both`,
    );
  }
}
