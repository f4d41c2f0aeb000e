import { unknownFieldsOf, type envoy } from '@heddle/xds-protos';
import type { Translated } from '../config/problem.js';
import type { SecretConfig } from '../config/tls-config.js';
import { Findings } from './findings.js';
import { deepFreeze, requiredText } from './proto-values.js';
import { translateTlsCertificate } from './tls-certificate.js';
import { reportNamesWithoutRoots, translateValidationContext } from './validation-context.js';

/** Translates a secret. Source: envoy.extensions.transport_sockets.tls.v3.Secret. */
export function translateSecret(
  secret: envoy.extensions.transport_sockets.tls.v3.Secret,
): Translated<SecretConfig> {
  const findings = new Findings();
  // Every field of a secret decides about security.
  for (const { path, tag } of unknownFieldsOf(secret)) {
    findings.problem(path, `unknown field number ${tag} in a secret`);
  }
  const name = requiredText(secret.name, 'name', findings);
  const config = translateContent(secret, name, findings);
  // Where it is undefined there is a problem.
  return findings.finish(deepFreeze(config as SecretConfig));
}

function translateContent(
  secret: envoy.extensions.transport_sockets.tls.v3.Secret,
  name: string,
  findings: Findings,
): SecretConfig | undefined {
  switch (secret.type) {
    case 'tlsCertificate': {
      if (secret.tlsCertificate === null) break;
      const certificate = translateTlsCertificate(secret.tlsCertificate, 'tls_certificate', findings);
      return certificate && { kind: 'certificate', name, certificate };
    }
    case 'validationContext': {
      if (secret.validationContext === null) break;
      const validation = translateValidationContext(secret.validationContext, 'validation_context', findings);
      reportNamesWithoutRoots(validation, 'validation_context', findings);
      return { kind: 'trust', name, validation };
    }
    case 'sessionTicketKeys':
      findings.problem('session_ticket_keys', 'is not supported: keys are made by each proxy itself');
      return undefined;
    case 'genericSecret':
      findings.problem('generic_secret', 'is not supported');
      return undefined;
    case undefined:
  }
  findings.problem('', 'one of tls_certificate or validation_context must be set');
  return undefined;
}
